"""What a recipe of docs/extending.md says: its YAML, and the stages that run again."""

import re
from typing import Any

from ruamel.yaml import YAML

from tests.helpers.places import ROOT


def _recipe(name: str) -> str:
    text = (ROOT / "docs/extending.md").read_text(encoding="utf-8")
    return text.partition(f"\n## {name}\n")[2].partition("\n## ")[0]


def runs_again(name: str) -> set[str]:
    """Stages in the first sentence of a recipe's "Runs again", once for all subsets, policies and runs."""
    (paragraph,) = re.findall(r"^\*\*Runs again\*\*(.+?)\n\n", _recipe(name), re.MULTILINE | re.DOTALL)
    sentence = re.split(r"\.\s", paragraph, maxsplit=1)[0]
    return set(re.findall(r"`(\w+)(?:@\w+)?`", sentence))


def modules_of(name: str) -> set[str]:
    """Modules that a recipe says to touch."""
    touched = _recipe(name).partition("**Touch**")[2].partition("\n**Tests**")[0]
    return set(re.findall(r"`((?:pipeline|model|stages)/[\w/]+\.py)`", touched))


def params_of(name: str) -> dict[str, Any]:
    """Read the lines of params.yaml that a recipe shows."""
    (block,) = re.findall(r"^```yaml\n(.+?)^```", _recipe(name), re.MULTILINE | re.DOTALL)
    return YAML(typ="safe").load(block)
