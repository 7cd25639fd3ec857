"""The options that the commands for photos share."""

import dataclasses
import functools
from collections.abc import Callable
from pathlib import Path
from typing import Any

import click

from stages.photo.network import EXPORTED
from stages.project.params import sentences
from stages.project.strict import check

DETECTORS, LANDMARKERS = ("mtcnn", "dlib"), ("network", "asm", "dlib")
PICTURE_SUFFIXES = (".jpg", ".png")
FILE = click.Path(path_type=Path, dir_okay=False)
Command = Callable[..., Any]


@dataclasses.dataclass(frozen=True)
class NetworkOptions:
    """What faces are found and reconstructed by.

    Attributes
    ----------
    model, weights : Path or None
        See `stages.photo.network.open_regressor`.
    landmarks : {'network', 'asm', 'dlib'}
        What finds the points that a crop is levelled by; `network` is a first pass over a crop that is placed by the
        detector alone.
    detector : {'mtcnn', 'dlib'}
        What finds the faces; dlib's knows upright ones from the front only.
    dlib_model : Path or None
        The file of dlib's shape predictor, for `dlib`.
    """

    model: Path | None
    weights: Path | None
    landmarks: str
    detector: str
    dlib_model: Path | None


def network_options(command: Command) -> Command:
    """Give a command the options of `NetworkOptions`, which it gets as one argument, `network`."""
    names = [field.name for field in dataclasses.fields(NetworkOptions)]

    @functools.wraps(command)
    def gathered(**values: Any) -> Any:
        return command(network=NetworkOptions(**{name: values.pop(name) for name in names}), **values)

    decorated: Command = gathered
    for option in (
        click.option("--dlib-model", type=FILE, help="dlib's shape predictor of 68 points."),
        click.option("--detector", type=click.Choice(DETECTORS), default="mtcnn", show_default=True),
        click.option("--landmarks", type=click.Choice(LANDMARKERS), default="network", show_default=True),
        click.option("--weights", type=FILE, help="Weights (.h5) of the network in params.yaml."),
        click.option("--model", type=FILE, help=f"Exported .onnx or .tflite; by default {EXPORTED}."),
    ):
        decorated = option(decorated)
    return decorated


def picture_option(text: str) -> Callable[[Command], Command]:
    """Option --out of a command that writes a picture; `text` is its help."""
    return click.option("--out", type=FILE, required=True, help=text, callback=_check_picture)


def _check_picture(_context: click.Context, _option: click.Parameter, out: Path) -> Path:
    with sentences():
        check(out.suffix in PICTURE_SUFFIXES, f"--out is {out}; expected a name that ends in .jpg or .png.")
    return out
