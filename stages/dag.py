"""Draw what depends on what, the stages of a group as one. A command, not a stage.

``python -m stages.dag`` writes reports/dag.md, a Mermaid diagram that editors and code hosts show: `dvc dag` draws each
stage of each subset and variant, which no screen holds.
"""

import re
import subprocess
from collections.abc import Iterable
from pathlib import Path

import click
import networkx

from pipeline.store.sentences import sentences

OUTPUT = Path("reports/dag.md")
EDGE = re.compile(r'"(.+?)" -> "(.+?)"')


@click.command()
def main() -> None:
    """Write the diagram."""
    with sentences():
        drawn = subprocess.run(["dvc", "dag", "--full", "--dot"], capture_output=True, text=True, check=True).stdout
        edges = collapse(EDGE.findall(drawn))
        OUTPUT.parent.mkdir(parents=True, exist_ok=True)
        OUTPUT.write_text(mermaid(edges), encoding="utf-8")
    click.echo(
        f"dag: {len({name for edge in edges for name in edge})} stages and groups, {len(edges)} arrows; {OUTPUT}"
    )


def collapse(edges: Iterable[tuple[str, str]]) -> list[tuple[str, str]]:
    """Join the stages of each group, and leave out what other arrows say already.

    Parameters
    ----------
    edges : iterable of (str, str)
        Names of stages as DVC has them: ``ablation/dvc.yaml:train@prn``.

    Returns
    -------
    list of (str, str)
        Names of groups, ``ablation:train``, in their order, without the arrows that a way over others replaces.
    """
    joined = {tuple(name.partition("@")[0].replace("/dvc.yaml", "") for name in edge) for edge in edges}
    groups = networkx.DiGraph((first, second) for first, second in joined if first != second)
    return sorted(networkx.transitive_reduction(groups).edges)


def mermaid(edges: Iterable[tuple[str, str]]) -> str:
    """Write edges as a Mermaid flowchart in Markdown."""
    lines = [
        f"  {first.replace(':', '_')}[{first}] --> {second.replace(':', '_')}[{second}]" for first, second in edges
    ]
    return "\n".join(["```mermaid", "flowchart LR", *lines, "```", ""])


if __name__ == "__main__":
    main()
