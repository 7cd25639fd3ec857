"""Compare the demo's data, as this machine made it, with what every machine makes: docs/results/demo/data.txt.

``python .ci/same_bytes.py`` compares, ``python .ci/same_bytes.py --write`` writes the list anew, or, on a processor
with AVX-512, what differs of it. There, with the instructions that `stages` asks for, all is the same but the position
maps of one subset and what is made of them: by what, is not known yet.
"""

import sys
from pathlib import Path

from ruamel.yaml import YAML

LIST = Path("docs/results/demo/data.txt")
AVX512_LIST = LIST.with_name("data_avx512.txt")
PROCESSOR = Path("/proc/cpuinfo")
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
    lines = [f"{md5}  {path}" for path, md5 in data]
    with_avx512 = PROCESSOR.is_file() and " avx512vl " in PROCESSOR.read_text()
    if "--write" in sys.argv:
        known = LIST.read_text().splitlines() if with_avx512 else []
        written = [line for line in lines if line not in known]
        (AVX512_LIST if with_avx512 else LIST).write_text("".join(f"{line}\n" for line in written))
    expected = dict(reversed(line.split("  ")) for line in LIST.read_text().splitlines())
    if with_avx512:
        expected |= dict(reversed(line.split("  ")) for line in AVX512_LIST.read_text().splitlines())
    different = sorted({f"{md5}  {path}" for path, md5 in expected.items()} ^ set(lines))
    if different:
        sys.exit("The demo's data are not the bytes that other machines make:\n" + "\n".join(different))
    sys.stdout.write(f"The demo's data, {len(data)} outputs, are the bytes that other machines make.\n")


if __name__ == "__main__":
    main()
