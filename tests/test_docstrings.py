"""Public docstrings name the errors that the function raises."""

import ast
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
FOLDERS = ("pipeline", "model", "stages/project")
# They raise a sentence if what they are told is not true.
CHECKS = {"check", "_check"}


def own_nodes(function):
    """Nodes of a function's body, without those of functions and classes defined in it."""
    waiting = list(function.body)
    while waiting:
        node = waiting.pop()
        if not isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef | ast.Lambda):
            yield node
            waiting += ast.iter_child_nodes(node)


def raises(function, helpers):
    """Whether a function raises by itself or by a private one of its module; a bare `raise` passes an error on."""
    return any(
        (isinstance(node, ast.Raise) and node.exc is not None)
        or (isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in CHECKS | helpers)
        for node in own_nodes(function)
    )


def raising_helpers(tree):
    """Private functions of a module that raise, by themselves or by each other."""
    private = [node for node in tree.body if isinstance(node, ast.FunctionDef) and node.name.startswith("_")]
    found, before = set(), None
    while found != before:
        before, found = found, {function.name for function in private if raises(function, found)}
    return found


def is_command(node):
    """Whether a function is a command of click, whose docstring is its help."""
    return any("click.command" in ast.unparse(decorator) for decorator in node.decorator_list)


def public_functions(tree):
    """Functions of a module that are no commands, and methods of its classes, whose names have no underscore first."""
    for node in tree.body:
        if isinstance(node, ast.FunctionDef) and not node.name.startswith("_"):
            if not is_command(node):
                yield node.name, node
        elif isinstance(node, ast.ClassDef) and not node.name.startswith("_"):
            yield from ((f"{node.name}.{name}", method) for name, method in public_functions(node))


def silent(source):
    """Public functions of a module's text that raise and do not say so."""
    tree = ast.parse(source)
    helpers = raising_helpers(tree)
    return [
        name
        for name, function in public_functions(tree)
        if raises(function, helpers) and "Raises\n" not in (ast.get_docstring(function) or "")
    ]


@pytest.mark.parametrize("folder", FOLDERS)
def test_a_public_function_that_raises_says_so(folder):
    found = {str(path.relative_to(ROOT)): silent(path.read_text()) for path in sorted((ROOT / folder).rglob("*.py"))}
    assert len(found) > 5
    assert {path: names for path, names in found.items() if names} == {}


def test_a_function_that_is_silent_is_found():
    source = '''
def says(x):
    """Halve.

    Raises
    ------
    ValueError
        If it is odd.
    """
    if x % 2:
        raise ValueError(x)

def raises(x):
    """Halve."""
    with open(x):
        raise ValueError(x)

def checks(x):
    """Halve; Raises nothing else."""
    check(x % 2 == 0, "It is odd.")

def _private(x):
    raise ValueError(x)

def _between(x):
    return _private(x)

def helped(x):
    """Halve."""
    return _between(x)

def passes_on(x):
    """Halve."""
    try:
        return says(x)
    except ValueError:
        raise

def makes(x):
    """Make."""
    def inner():
        raise ValueError(x)
    return inner

class Reader:
    """Reader."""
    def read(self):
        """Read."""
        raise OSError
'''
    assert silent(source) == ["raises", "checks", "helped", "Reader.read"]
