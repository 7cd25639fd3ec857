"""Where a checkout of the project has what the photo commands take from it; elsewhere there is none of it."""

from pathlib import Path

# The bundle of the main run, the embedded one once it was made, and the Active Shape Model.
BUNDLE = Path("runs/main/export/bundle.face3d")
EMBEDDED = Path("work/embedded")
SHAPES = Path("data/asm/model.h5")
