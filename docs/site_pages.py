"""What `make site` adds to docs/: the pages at the project's top, and the reference of each room.

A hook of MkDocs, which calls the functions named ``on_...``.
"""

import re
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
TOP_PAGES = {
    "README.md": "index.md",
    "CONTRIBUTING.md": "contributing.md",
    "SECURITY.md": "security.md",
    "CHANGELOG.md": "changelog.md",
}
PACKAGES = ("pipeline", "model", "stages")
LINK = re.compile(r"(!?)\[([^\]]*)\]\(([^)\s]+)\)")


def on_config(config: Any) -> Any:
    """Put the reference at the end of the navigation."""
    config.nav.append({"Reference": [{room.replace("/", "."): f"reference/{name_of(room)}"} for room in rooms()]})
    return config


def on_files(files: Any, config: Any) -> Any:
    """Add the pages that are not in docs/."""
    from mkdocs.structure.files import File  # not needed by the tests of what stands here

    for source, page in TOP_PAGES.items():
        text = (ROOT / source).read_text(encoding="utf-8")
        files.append(File.generated(config, page, content=from_docs(text, at_top=True)))
    for room, modules in rooms().items():
        files.append(File.generated(config, f"reference/{name_of(room)}", content=reference(room, modules)))
    return files


def on_page_markdown(markdown: str, page: Any, **_: Any) -> str:
    """Turn links to files beside docs/ into links between pages, or into text."""
    return markdown if page.file.src_uri in TOP_PAGES.values() else from_docs(markdown, at_top=False)


def rooms() -> dict[str, list[str]]:
    """Folders of the code in the order of their names, each with the dotted names of its modules."""
    found: dict[str, list[str]] = {}
    for package in PACKAGES:
        for path in sorted((ROOT / package).rglob("*.py"), key=lambda path: (path.parent, path.name)):
            if path.name != "__init__.py":
                module = path.relative_to(ROOT).with_suffix("")
                found.setdefault(module.parent.as_posix(), []).append(".".join(module.parts))
    return found


def name_of(room: str) -> str:
    """Name of a room's page."""
    return f"{room.replace('/', '-')}.md"


def reference(room: str, modules: list[str]) -> str:
    """Page of a room, on which mkdocstrings puts what stands behind ``:::``."""
    return "\n\n".join([f"# {room}", *(f"::: {module}" for module in modules)])


def from_docs(text: str, at_top: bool) -> str:
    """Make a page's links relative to docs/.

    Parameters
    ----------
    text : str
    at_top : bool
        Whether it stands at the project's top, beside docs/, or in docs/.

    Returns
    -------
    str
        Links to files that are no pages, such as ``params.yaml``, are their text alone.
    """

    def move(match: re.Match[str]) -> str:
        mark, shown, link = match.groups()
        if link.startswith(("https://", "#")):
            return match[0]
        target, hash_mark, anchor = link.partition("#")
        folder = ROOT if at_top else ROOT / "docs"
        place = (folder / target).resolve().relative_to(ROOT).as_posix()
        place = TOP_PAGES.get(place, place.removeprefix("docs/") if place.startswith("docs/") else "")
        if not place or (ROOT / "docs" / place).is_dir():
            return f"{shown}"
        return f"{mark}[{shown}]({place}{hash_mark}{anchor})"

    pieces = re.split(r"(^```.*?^```$)", text, flags=re.DOTALL | re.MULTILINE)
    return "".join(piece if piece.startswith("```") else LINK.sub(move, piece) for piece in pieces)
