"""What the installed package needs, and how what is missing of it is installed."""

import importlib.metadata
import re

# Packages whose modules have other names than they.
PACKAGES = {"cv2": "opencv-python-headless", "PIL": "pillow"}


def tell_missing(module: str, installed: str) -> str:
    """Say in a sentence which packages are missing together with that of a module, and what installs all of them.

    What is missing is looked for among what the package that is called `installed` always needs, and what the module's
    extra asks for.
    """
    package = PACKAGES.get(module, module.replace("_", "-"))
    wanted = read_requirements(installed)
    extra = next((extra for extra, some in wanted.items() if package in some), None)
    if extra is None:
        return f"{package} is not installed: `pip install {package}`."
    asked = wanted[""] | wanted[extra]
    missing = {name: version for name, version in asked.items() if name == package or not is_installed(name)}
    fault = f"{join(list(missing))} {'are' if len(missing) > 1 else 'is'} not installed"
    by_hand = " ".join(f"'{name}{version}'" for name, version in missing.items())
    folder = f"'.[{extra}]'" if extra else "."
    return f"{fault}: `pip install {folder}` in the project's folder, or `pip install {by_hand}` anywhere."


def read_requirements(package: str) -> dict[str, dict[str, str]]:
    """Versions that a package asks for by name: of each extra by its name, and under "" what is always needed."""
    wanted: dict[str, dict[str, str]] = {"": {}}
    try:
        lines = importlib.metadata.requires(package) or []
    except importlib.metadata.PackageNotFoundError:
        return wanted
    for line in lines:
        requirement, _, marker = line.partition(";")
        name, version = re.findall(r"^([\w.-]+?)\s*([<>=!~].*)?$", requirement.strip())[0]
        extra = re.search(r"extra == [\"'](\w+)", marker)
        wanted.setdefault(extra[1] if extra else "", {})[name] = version
    return wanted


def is_installed(package: str) -> bool:
    """Say whether a package is installed, in whatever version."""
    try:
        importlib.metadata.distribution(package)
    except importlib.metadata.PackageNotFoundError:
        return False
    return True


def join(words: list[str]) -> str:
    """Join words by commas and `and`."""
    return " and ".join([*([", ".join(words[:-1])] if words[:-1] else []), *words[-1:]])
