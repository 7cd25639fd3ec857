"""The options that the commands for photos share."""

import contextlib
import dataclasses
import functools
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import click

from ..store.checks import check
from ..store.sentences import sentences

METHODS = ("auto", "fit", "network")
DETECTORS, LANDMARKERS = ("facemesh", "mtcnn", "dlib"), ("facemesh", "network", "asm", "dlib")
PICTURE_SUFFIXES = (".jpg", ".png")
FILE = click.Path(path_type=Path, dir_okay=False)
FOLDER = click.Path(path_type=Path, file_okay=False)
Command = Callable[..., Any]


def folder(text: str) -> Path:
    """Folder that an option names. Empty, as a variable of the shell that is not set, would be the current one.

    Raises
    ------
    click.BadParameter
        If it is empty, or a file.
    """
    if not text:
        raise click.BadParameter("the name is empty; expected a folder, such as `faces`.")
    return FOLDER.convert(text, None, None)


@contextlib.contextmanager
def expecting(path: Path, what: str) -> Iterator[None]:
    """Say what a file that an option names was to be, where reading it in the block fails: it is the user's own.

    Raises
    ------
    ValueError
        If it is no file, or not what was expected.
    """
    check(path.is_file(), f"{path} is missing or no file; expected {what}.")
    try:
        yield
    except (ValueError, KeyError, TypeError) as error:
        raise ValueError(f"{path} can't be read; expected {what}.") from error


@dataclasses.dataclass(frozen=True)
class ReconstructorOptions:
    """What faces are found and reconstructed by.

    Attributes
    ----------
    bundle : Path or None
        See `pipeline.photo.bundle`; by default the project's own where a network is to draw, else the embedded one.
    method : {'auto', 'fit', 'network'}
        `fit` lays the face model over the points of Face Mesh; `network` is the bundle's; `auto` takes a network that
        was trained on real faces, where there is one, else the fit.
    fit : bool
        Whether the face model is fitted to the network's map.
    detector : {'facemesh', 'mtcnn', 'dlib'}
        What finds the faces; dlib's knows upright ones from the front only.
    landmarks : {'facemesh', 'network', 'asm', 'dlib'}
        What finds the points that a network's crop is placed and levelled by; `network` is a first pass over a crop
        that is placed by the detector alone.
    dlib_model : Path or None
        The file of dlib's shape predictor, for `dlib`.
    """

    bundle: Path | None = None
    method: str = "auto"
    fit: bool = True
    detector: str = "facemesh"
    landmarks: str = "facemesh"
    dlib_model: Path | None = None


def reconstructor_options(command: Command) -> Command:
    """Give a command the options of `ReconstructorOptions`, which it gets as one argument, `options`."""
    fields = dataclasses.fields(ReconstructorOptions)
    defaults = {field.name: field.default for field in fields}

    @functools.wraps(command)
    def gathered(**values: Any) -> Any:
        return command(options=ReconstructorOptions(**{name: values.pop(name) for name in defaults}), **values)

    decorated: Command = gathered
    for option in (
        click.option("--dlib-model", type=FILE, help="dlib's shape predictor of 68 points."),
        _choice("--landmarks", LANDMARKERS, defaults, "What a network's crop is placed and levelled by."),
        _choice("--detector", DETECTORS, defaults, "What finds the faces."),
        click.option("--fit/--no-fit", default=True, show_default=True, help="Fit the face model to a network's map."),
        _choice("--method", METHODS, defaults, "auto: a network that was trained on real faces, else the fit."),
        click.option("--bundle", type=FILE, help="One file with all that is needed, see docs/photos.md."),
    ):
        decorated = option(decorated)
    return decorated


def _choice(name: str, choices: tuple[str, ...], defaults: dict[str, Any], text: str) -> Callable[[Command], Command]:
    return click.option(name, type=click.Choice(choices), default=defaults[name[2:]], show_default=True, help=text)


def picture_option(text: str) -> Callable[[Command], Command]:
    """Option --out of a command that writes a picture; `text` is its help."""
    return click.option("--out", type=FILE, required=True, help=text, callback=_check_picture)


def _check_picture(_context: click.Context, _option: click.Parameter, out: Path) -> Path:
    with sentences():
        check(out.suffix in PICTURE_SUFFIXES, f"--out is {out}; expected a name that ends in .jpg or .png.")
    return out


def check_not_input(out: Path, *inputs: Path) -> None:
    """Refuse to write a picture over a photo that it is made of.

    Raises
    ------
    ValueError
        If `out` is one of the inputs.
    """
    same = [path for path in inputs if path.exists() and out.exists() and path.samefile(out)]
    check(not same, f"--out is {out}, a photo that is read: choose another name.")
