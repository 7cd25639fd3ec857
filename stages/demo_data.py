"""Write the embedded default: procedural faces in the layouts of BFM, 300W-LP and AFLW2000-3D."""

import dataclasses
import time
from pathlib import Path

import click

from pipeline.demo.dataset import write_dataset
from stages.project.params import DataParams, check, read, sentences

OUTPUT = Path("data/demo")
NOTE = "NOT_MADE.txt"


@dataclasses.dataclass(frozen=True)
class DemoDataParams:
    """Section `demo_data`: how much of the procedural set to make."""

    seed: int
    photos_per_subset: int
    test_photos: int
    photo_size: int

    def __post_init__(self) -> None:
        check(self.seed >= 0, f"demo_data.seed is {self.seed}; expected 0 or more.")
        check(
            self.photos_per_subset >= 1,
            f"demo_data.photos_per_subset is {self.photos_per_subset}; expected 1 or more.",
        )
        check(self.test_photos >= 3, f"demo_data.test_photos is {self.test_photos}; expected 3 or more, one a yaw bin.")
        check(96 <= self.photo_size <= 1024, f"demo_data.photo_size is {self.photo_size}; expected 96 to 1024 px.")


@click.command()
def main() -> None:
    """Make the demo's raw data, if data.root asks for it."""
    with sentences():
        data = read("data", DataParams)
        params = read("demo_data", DemoDataParams)
        if Path(data.root) != OUTPUT:
            OUTPUT.mkdir(parents=True, exist_ok=True)
            (OUTPUT / NOTE).write_text(f"No demo was made: data.root in params.yaml is not {OUTPUT.as_posix()}.\n")
            click.echo(f"demo_data: nothing made, data.root is {data.root}")
            return
        start = time.perf_counter()
        counts = write_dataset(OUTPUT, **dataclasses.asdict(params))
        total, seconds = sum(counts.values()), time.perf_counter() - start
        click.echo(f"demo_data: {total} photos in {len(counts)} folders, 0 rejected, {total / seconds:.1f} photos/s")


if __name__ == "__main__":
    main()
