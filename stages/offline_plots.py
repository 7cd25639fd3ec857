"""Have the pages of ``dvc plots`` work without a network. A command, not a stage.

``python -m stages.offline_plots``, which `make install` runs: DVC's own pages load the code that draws them (Vega) from
the web. This writes .dvc/plots_page.html, which has that code in it, and names it in .dvc/config.local.
"""

from pathlib import Path

import click

from pipeline.store.checks import check
from pipeline.store.files import write_bytes
from pipeline.store.sentences import sentences

FOLDER = Path(".dvc")
PAGE = "plots_page.html"
# The versions of Vega-Lite that DVC's templates are written in.
VEGA_LITE = "5"
# How DVC's charts ask for it; of the menu that each chart has, what opens a page of the web is left out.
EMBED = "window.vegaEmbed = (place, chart) => vegaEmbed(place, chart, {actions: {export: true}});"
# Where DVC puts the charts, and a tag that has a page load itself again.
PLACES = ("{plot_divs}", "{refresh_tag}")


@click.command()
def main() -> None:
    """Write the page that DVC puts its plots into, unless another one is set."""
    with sentences():
        check((FOLDER / "config").is_file(), f"{Path.cwd()} is no project of DVC: run this where dvc.yaml lies.")
        from dvc.config import Config

        config = Config(FOLDER.as_posix())
        known = config.get("plots", {}).get("html_template")
        if known not in (None, PAGE):
            click.echo(f"offline_plots: plots.html_template is {known} already, and stays")
            return
        content = make_page(find_drawing_code()).encode()
        write_bytes(FOLDER / PAGE, content)
        if known is None:
            with config.edit("local") as local:
                local.setdefault("plots", {})["html_template"] = PAGE
    click.echo(f"offline_plots: {FOLDER / PAGE}, {len(content) / 1e6:.1f} MB, for dvc plots show and dvc plots diff")


def find_drawing_code() -> str:
    """Read Vega, Vega-Lite and Vega-Embed, the newest that DVC can use, as one script that leaves `vegaEmbed`."""
    import vl_convert

    versions = [version for version in vl_convert.get_vegalite_versions() if version.split(".")[0] == VEGA_LITE]
    newest = max(versions, key=lambda version: [int(part) for part in version.split(".")])
    script: str = vl_convert.javascript_bundle(EMBED, vl_version=newest)
    return script


def make_page(script: str) -> str:
    """Make the page that DVC puts its plots into.

    Raises
    ------
    ValueError
        If the script would end before its end, or DVC would put something into it.
    """
    ends = [mark for mark in ("</script", "<!--", *PLACES, "{scripts}") if mark in script]
    check(not ends, f"The drawing code has {', '.join(ends)} in it, and can't be put into a page: is it Vega's?")
    template = Path(__file__).parent / "pages/templates/plots.html"
    return template.read_text(encoding="utf-8").replace("/* Vega */", script)


if __name__ == "__main__":
    main()
