"""Stage `code`: the hashes of the modules that each stage imports, one text a stage, which that stage depends on.

DVC does not follow imports. So an edit re-runs this stage, and then the stages whose text it changed.
"""

import ast
import functools
import hashlib
from collections.abc import Iterator
from pathlib import Path

import click

from pipeline.store.sentences import sentences
from stages.project.beginning import begin_stage
from stages.project.paths import CODE

PACKAGES = ("pipeline", "model", "stages")


@click.command()
def main() -> None:
    """Write data/code/<stage>.txt for each module of stages/."""
    with sentences():
        begin_stage("code", CODE)
        texts = {path.stem: describe_code(Path(), path) for path in sorted(Path("stages").glob("[!_]*.py"))}
        CODE.mkdir(parents=True)
        for stage, text in texts.items():
            (CODE / f"{stage}.txt").write_text(text, encoding="utf-8")
    click.echo(f"code: {len(texts)} stages and commands")


def describe_code(root: Path, entry: Path) -> str:
    """List what a module of the project at `root` is made of: a line ``hash  file`` each, in the order of the files."""
    files = sorted(import_closure(root, entry) | {entry})
    digests = [hashlib.sha256((root / file).read_bytes()).hexdigest() for file in files]
    return "".join(f"{digest}  {file.as_posix()}\n" for digest, file in zip(digests, files, strict=True))


def import_closure(root: Path, entry: Path) -> set[Path]:
    """Files of the project, from `root`, that a module needs.

    These are itself, the modules that it imports, wherever in it, what these import in turn, and what lies in their
    folders and is no module: templates and tables; and what a package does before its modules are imported.
    """
    found: set[Path] = set()
    waiting = {entry}
    while waiting:
        file = waiting.pop()
        found.add(file)
        waiting |= imported_modules(root, file) - found
    packages = {folder / "__init__.py" for file in found for folder in file.parents}
    found |= {path for path in packages if (root / path).is_file() and (root / path).stat().st_size}
    folders = {file.parent for file in found}
    return found | {path for path in _data_files(root) if _module_folder(root, path) in folders}


def _data_files(root: Path) -> Iterator[Path]:
    """Files of the packages that are no modules."""
    for package in PACKAGES:
        for path in (root / package).rglob("*"):
            if path.is_file() and path.suffix not in (".py", ".pyc"):
                yield path.relative_to(root)


def _module_folder(root: Path, file: Path) -> Path:
    """Nearest folder above a file that holds modules."""
    return next(folder for folder in file.parents if any((root / folder).glob("*.py")))


@functools.cache
def imported_modules(root: Path, file: Path) -> frozenset[Path]:
    """Modules of the project that a file imports itself, absolutely or relatively, anywhere in it."""
    found = set()
    for node in ast.walk(ast.parse((root / file).read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            above = file.parts[: -node.level] if node.level else ()
            module = ".".join((*above, *([node.module] if node.module else [])))
            names = [module, *(f"{module}.{alias.name}" for alias in node.names)]
        else:
            continue
        for name in names:
            path = Path(*name.split(".")).with_suffix(".py")
            if path.parts[0] in PACKAGES and (root / path).is_file():
                found.add(path)
    return frozenset(found)


if __name__ == "__main__":
    main()
