"""A page that makes 3D faces of photos in a browser, without a server or a network. A command, not a stage.

``python -m stages.browser_page --out DIR`` writes DIR/faces.html, one file with the networks, the face model and the
runtime in it: it opens from wherever it lies.
"""

from pathlib import Path

import click

from pipeline.commands.bundles import choose_bundle, embedded_bundle
from pipeline.commands.options import FILE, METHODS, ReconstructorOptions, folder
from pipeline.crops.face_mesh import FILES, open_files
from pipeline.photo.browser_parts import LOOKING, browser_arrays, browser_networks, browser_numbers
from pipeline.photo.bundle import Bundle, load_bundle
from pipeline.photo.map_network import MapNetwork
from pipeline.store.files import write_bytes
from pipeline.store.sentences import sentences
from pipeline.uv.scaling import Scaling
from stages.pages.browser_page import browser_page
from stages.photo.browser_runtime import LICENCE, find_runtime

PAGE = "faces.html"


@click.command()
@click.option("--out", type=folder, required=True, help=f"Folder of the page, {PAGE}.")
@click.option("--bundle", type=FILE, help="One file with all that is needed, see docs/photos.md.")
@click.option(
    "--method",
    type=click.Choice(METHODS),
    default="auto",
    show_default=True,
    help="auto: a network that was trained on real faces, else the fit.",
)
@click.option("--runtime", type=FILE, help="npm's file of ONNX Runtime, where npm or the network is missing.")
def main(out: Path, bundle: Path | None, method: str, runtime: Path | None) -> None:
    """Write the page."""
    with sentences():
        path, by_network = choose_bundle(ReconstructorOptions(bundle=bundle, method=method))
        opened = load_bundle(path) if path else embedded_bundle()
        content = make_page(opened, opened.network if by_network else None, runtime).encode()
        out.mkdir(parents=True, exist_ok=True)
        write_bytes(out / PAGE, content)
    click.echo(f"browser_page: {len(content) / 1e6:.1f} MB; {out / PAGE}")


def make_page(bundle: Bundle, network: MapNetwork | None, runtime: Path | None) -> str:
    """Make the page of a bundle; `network` draws the faces where it is given.

    Raises
    ------
    ValueError
        If the runtime is missing, or is not the one that was pinned.
    """
    parts = find_runtime(runtime)
    opened = open_files({FILES[name]: bundle.files[FILES[name]] for name in FILES}, 1)
    numbers = browser_numbers(bundle) | {"sizes": {name: opened[name].size for name in LOOKING}, "network": None}
    made_by = f"Faces are fits of the face model {bundle.about['name']!r} to the points of Face Mesh."
    if network is not None:
        facts, scaling = network.facts, Scaling(network.facts.scaling, network.facts.size)
        numbers["sizes"]["map"] = facts.size
        numbers["network"] = {
            "size": facts.size,
            "margin": facts.margin,
            "level": facts.level,
            "divisor": scaling.divisor,
            "centre": scaling.centre,
        }
        made_by = (
            f"Faces of photos are drawn by the {facts}, and fitted by the face model {bundle.about['name']!r}; "
            "those of the camera are fits to the points of Face Mesh."
        )
    networks = {f"network-{name}": content for name, content in browser_networks(bundle, network).items()}
    licences = [("Runtime", LICENCE)]
    for name, licence in bundle.about["licences"].items():
        converted = "; here converted to ONNX" if name == "networks" else ""
        licences.append((name[0].upper() + name[1:], f"{licence}{converted}"))
    return browser_page(
        numbers,
        browser_arrays(bundle, network),
        {"runtime": parts.binary, "loader": parts.loader, **networks},
        parts.script,
        made_by,
        licences,
    )


if __name__ == "__main__":
    main()
