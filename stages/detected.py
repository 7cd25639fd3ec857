"""Stage `detected@subset`: MTCNN's boxes, where `crop.box` asks for them."""

from collections.abc import Iterator
from pathlib import Path

import click
from tqdm import tqdm

from pipeline.annotations import read_photo
from pipeline.detection import BOX_COLUMNS, detect_boxes
from stages.crop import CropParams
from stages.outcome import read_table, write_table
from stages.params import DataParams, read, sentences

INDEX = Path("data/index")
OUTPUT = Path("data/detected")


@click.command()
@click.argument("subset")
def main(subset: str) -> None:
    """Find all faces in each photo of one subset; with crop.box = landmarks there is nothing to do."""
    with sentences():
        data, crop = read("data", DataParams), read("crop", CropParams)
        samples = list(read_table(INDEX / subset / "accepted.csv")) if crop.box == "detector" else []
        photos = (read_photo(data.folder(subset) / sample["photo"]) for sample in samples)
        rows = list(_rows(samples, photos))
        write_table(OUTPUT / subset / "boxes.csv", ("sample_id", *BOX_COLUMNS), rows)
    faces = f"{len(samples)} photos, {len(rows)} faces" if samples else f"not needed, crop.box is {crop.box}"
    click.echo(f"detected@{subset}: {faces}")


def _rows(samples: list[dict[str, str]], photos: Iterator) -> Iterator[tuple]:
    if not samples:
        return  # MTCNN brings TensorFlow, 10 s to import
    bar = tqdm(detect_boxes(photos), total=len(samples), desc="detected", unit="photo", disable=None, leave=False)
    for sample, boxes in zip(samples, bar, strict=True):
        for box in boxes:
            yield (sample["sample_id"], *(round(float(value), 4) for value in box))


if __name__ == "__main__":
    main()
