"""The page that makes 3D faces of photos in a browser: one file, with all that it needs."""

import base64
import gzip
import json
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from markupsafe import Markup
from numpy.typing import NDArray

from stages.pages.page import render

# In this order, each uses what those before it have; they have no modules, which a page from a file could not load.
SCRIPTS = (
    "mesh_viewer.js",
    "in_browser/geometry.js",
    "in_browser/sampling.js",
    "in_browser/networks.js",
    "in_browser/faces.js",
    "in_browser/fit.js",
    "in_browser/reconstruct.js",
    "in_browser/tracking.js",
    "in_browser/page.js",
)


def browser_page(
    numbers: Mapping[str, Any],
    arrays: Mapping[str, NDArray],
    files: Mapping[str, bytes],
    library: str,
    made_by: str,
    licences: Sequence[tuple[str, str]],
) -> str:
    """Make the page as HTML that asks for nothing; the same parts make the same bytes.

    Parameters
    ----------
    numbers : dict
        What the scripts know as `KNOWN`.
    arrays : dict of str to array
        Little-endian, by their names.
    files : dict of str to bytes
        By the ids of their elements; what is binary is compressed.
    library : str
        Script of the runtime.
    made_by : str
        A sentence on what makes the faces.
    licences : list of (str, str)
        Of each part.

    Returns
    -------
    str

    Raises
    ------
    ValueError
        If the library can't stand in a page.
    """
    if "</script" in library.lower():
        raise ValueError("The runtime's script ends the element of the page that it stands in; take another version.")
    places, content = pack_arrays(arrays)
    return render(
        "in_browser/page.html",
        known=_script_json(dict(numbers) | {"arrays": places}),
        files=[(name, encode_file(each)) for name, each in (*files.items(), ("arrays", content))],
        library=Markup(library),
        made_by=made_by,
        licences=licences,
        scripts=SCRIPTS,
    )


def pack_arrays(arrays: Mapping[str, NDArray]) -> tuple[dict[str, dict[str, Any]], bytes]:
    """Put arrays into one file, each at a multiple of 8 bytes; and what each is, where, and of how many numbers."""
    places, content = {}, bytearray()
    for name, values in arrays.items():
        values = np.ascontiguousarray(values, values.dtype.newbyteorder("<"))
        kind = values.dtype.newbyteorder("<").str.replace("|", "<")
        places[name] = {"kind": kind, "offset": len(content), "count": values.size}
        content += values.tobytes() + bytes(-values.nbytes % 8)
    return places, bytes(content)


def encode_file(content: bytes) -> str:
    """Compress a file, and write it in letters; the same each time."""
    return base64.b64encode(gzip.compress(content, 9, mtime=0)).decode("ascii")


def _script_json(values: Mapping[str, Any]) -> Markup:
    """JSON that can end no script element."""
    return Markup(json.dumps(values, allow_nan=False).replace("<", "\\u003c"))
