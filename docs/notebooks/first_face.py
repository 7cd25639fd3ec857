# ---
# jupyter:
#   jupytext:
#     text_representation: {extension: .py, format_name: percent}
#   kernelspec: {display_name: Python 3, language: python, name: python3}
# ---

# %% [markdown]
# # A photo to a 3D face, from Python
#
# Open this file as a notebook with jupytext (`jupytext --to ipynb first_face.py`), or run it as it is. In a checkout
# the package is the folder `pipeline/`; where it was installed by pip it is `uvface`.

# %%
import os
import sys
import tempfile
from pathlib import Path

import numpy as np

try:
    from uvface.api import Reconstructor
except ImportError:
    sys.path.insert(0, str(Path.cwd()))
    from pipeline.api import Reconstructor

# %% [markdown]
# A bundle is one file with all that is needed; without a name it is the embedded face model, laid over the points of
# Face Mesh.

# %%
bundle = os.environ.get("BUNDLE") or None
reconstruct = Reconstructor.from_bundle(bundle)

# %% [markdown]
# The photo is a file, or an array of RGB. Here it is the astronaut of scikit-image, which is in the public domain.

# %%
from skimage.data import astronaut

faces = reconstruct(np.ascontiguousarray(astronaut()))
face = faces[0]
print(f"{len(faces)} face, {len(face.vertices):,} vertices, {len(face.triangles):,} triangles")
print({name: round(face.pose[name], 1) for name in ("yaw", "pitch", "roll")})

# %% [markdown]
# Everything is in pixels of the photo: x to the right, y down, z towards the viewer. The 68 landmarks lie on the mesh.

# %%
outer_corners = face.landmarks[[36, 45]]
print("outer corners of the eyes:", outer_corners.round(1).tolist())
print("their distance in px:", np.linalg.norm(outer_corners[1] - outer_corners[0]).round(1))

# %%
folder = Path(os.environ.get("OUT") or tempfile.mkdtemp())
for ending in ("glb", "obj", "ply"):
    face.save(folder / f"face.{ending}")
print(sorted(path.name for path in folder.iterdir()))
