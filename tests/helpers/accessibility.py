"""What axe-core finds wrong with a page that is open in a browser."""

import importlib.resources
import json

# What WCAG 2.1 asks for at its levels A and AA.
RULES = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa"]


def violations(page):
    """The rules that the page breaks, each with the places; pages in frames are judged by themselves."""
    script = importlib.resources.files("axe_core_python").joinpath("axe.min.js").read_text(encoding="utf-8")
    page.run(f"{script};0")
    options = json.dumps({"iframes": False, "runOnly": RULES})
    return page.run(
        f"axe.run(document, {options}).then((found) => found.violations.map("
        "(each) => [each.id, each.nodes.map((node) => node.target.join(' '))]))"
    )
