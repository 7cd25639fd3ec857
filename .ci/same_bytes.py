"""Compare the demo's data, as this machine made it, with what every machine makes: docs/results/demo/data.txt.

``python .ci/same_bytes.py`` compares, ``python .ci/same_bytes.py --write`` writes the list anew.
"""

import sys
from pathlib import Path

from ruamel.yaml import YAML

LIST = Path("docs/results/demo/data.txt")
# Code and settings change with every edit; what training makes differs by processor, and so may data/found, which
# follows the points that LiteRT computes. data/landmark_map is not learnt on the demo's few faces: it is the table.
# In data/augmented/online are JPEGs, whose bytes are those of the pinned OpenCV's encoder.
SUBSETS = ("index", "meshes", "aligned", "position_maps", "augmented")
DATA = ("demo", "face_model", "uv_embedding", "split", "asm", "validation", "coefficient_prior", "landmark_map")


def main() -> None:
    """Compare, or write."""
    stages = YAML(typ="safe").load(Path("dvc.lock"))["stages"]
    outs = [out for stage in stages.values() for out in stage.get("outs", [])]
    data = sorted((out["path"], out["md5"]) for out in outs if out["path"].split("/")[1] in (*DATA, *SUBSETS))
    text = "".join(f"{md5}  {path}\n" for path, md5 in data)
    if "--write" in sys.argv:
        LIST.write_text(text)
    different = sorted(set(LIST.read_text().splitlines()) ^ set(text.splitlines()))
    if different:
        sys.exit("The demo's data are not the bytes that other machines make:\n" + "\n".join(different))
    sys.stdout.write(f"The demo's data, {len(data)} outputs, are the bytes that other machines make.\n")


if __name__ == "__main__":
    main()
