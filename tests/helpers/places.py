"""Where the project lies, and the real data."""

import os
from pathlib import Path

ROOT = Path(__file__).parents[2]
FACE_DATA = Path(os.environ.get("FACE_DATA", ROOT.parent / "shared" / "data")).resolve()
