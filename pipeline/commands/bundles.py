"""Which bundle makes the faces of photos, and where the embedded one is kept."""

import importlib
from collections.abc import Iterator
from pathlib import Path

import click

from ..photo.bundle import SUFFIX, Bundle, load_bundle, read_facts, save_bundle
from ..store.checkout import BUNDLE, EMBEDDED
from ..store.checks import check
from ..store.files import digest_modules
from .network_files import find_files
from .options import ReconstructorOptions

PACKAGE = Path(__file__).parents[1]


def choose_bundle(options: ReconstructorOptions) -> tuple[Path | None, bool]:
    """Say which bundle makes the faces, None for the embedded one, and whether its network draws them.

    A network that was trained on procedural faces never draws a real one unasked; one that was trained on real faces
    does, be it in the bundle that is named or in the project's own.

    Raises
    ------
    ValueError
        If a network is asked for and there is none, or a bundle is damaged.
    OSError
        If the bundle is missing.
    """
    if options.method == "fit":
        return options.bundle, False
    path = options.bundle or (BUNDLE if BUNDLE.is_file() else None)
    facts = read_facts(path) if path else None
    if options.method == "network":
        check(
            path is not None,
            "--method network needs a bundle with a network: name one by --bundle. In the project's folder, "
            f"`dvc repro export` makes {BUNDLE}, which is taken by itself.",
        )
        check(facts is not None, f"{path} has no network of position maps: name another bundle, or --method fit.")
        return path, True
    if facts is not None and not facts.demo:
        return path, True
    return options.bundle, False


def embedded_bundle() -> Bundle:
    """The embedded bundle, which is made once for each state of the code, in some seconds, and kept where it can be.

    Raises
    ------
    ValueError
        If the networks are not installed, and can't be fetched.
    ImportError
        If a package is missing.
    """
    name = f"{digest_modules(PACKAGE.parent, (PACKAGE.name,))[:16]}{SUFFIX}"
    for folder in embedded_folders():
        if (folder / name).is_file():
            return load_bundle(folder / name)
    importlib.import_module("trimesh")  # told here if it is not installed, not in the middle
    from ..photo.embedded import make_embedded

    files = find_files()
    click.echo("Making the embedded face model, once; it takes some seconds.", err=True)
    bundle = make_embedded(files)
    for folder in embedded_folders():
        try:
            save_bundle(folder / name, bundle)
        except OSError:
            continue
        click.echo(f"It is kept in {folder}.", err=True)
        return load_bundle(folder / name)
    click.echo(f"It can't be kept, since {folder} can't be written: it will be made each time.", err=True)
    return bundle


def embedded_folders() -> Iterator[Path]:
    """Where the embedded bundle is kept, by preference: in a checkout of the project, else in the user's cache."""
    if Path("dvc.yaml").is_file():
        yield EMBEDDED
    import platformdirs  # what a checkout has kept is found without it

    yield platformdirs.user_cache_path("face-reconstruction-pipeline", appauthor=False) / "embedded"
