"""Pages: HTML files that work offline, each from a template, where everything put into it is escaped."""

import base64
from pathlib import Path

import jinja2

TEMPLATES = Path(__file__).parent / "templates"


def make_environment(*folders: Path) -> jinja2.Environment:
    """What fills in the templates of some folders, and those that all pages build on, which lie beside this module."""
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader([*folders, TEMPLATES]),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters["data_uri"] = data_uri
    return environment


def data_uri(image: bytes) -> str:
    """Make the address of a picture, a PNG or JPEG file's bytes, that has the picture in it."""
    kind = "png" if image.startswith(b"\x89PNG") else "jpeg"
    return f"data:image/{kind};base64,{base64.b64encode(image).decode('ascii')}"
