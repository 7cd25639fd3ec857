import subprocess

import pytest

from stages.photo import browser_runtime
from stages.photo.browser_runtime import FILE, find_runtime, kept_folders


@pytest.fixture
def nowhere(monkeypatch, tmp_path):
    """No package is kept, and one that is fetched is kept in a folder of the test's own."""
    monkeypatch.setattr(browser_runtime, "kept_folders", lambda: iter([tmp_path / "kept"]))
    return tmp_path / "kept"


def test_a_file_that_is_not_the_pinned_one_is_refused_by_its_hash(tmp_path):
    other = tmp_path / FILE
    other.write_bytes(b"another package")
    with pytest.raises(ValueError, match=r"its SHA-512 is another. Delete it, and fetch it anew: npm pack"):
        find_runtime(other)
    with pytest.raises(ValueError, match="is missing or no file"):
        find_runtime(tmp_path / "none.tgz")


def test_a_damaged_package_that_was_kept_is_refused(nowhere):
    nowhere.mkdir()
    (nowhere / FILE).write_bytes(b"half of it")
    with pytest.raises(ValueError, match="its SHA-512 is another"):
        find_runtime(None)


def test_without_npm_a_sentence_says_what_to_do(monkeypatch, nowhere):
    monkeypatch.setattr(browser_runtime.shutil, "which", lambda _: None)
    with pytest.raises(ValueError, match=r"npm is missing: install Node.js. Or: Fetch it elsewhere .* --runtime"):
        find_runtime(None)


@pytest.mark.parametrize("failure", ["refuses", "hangs"])
def test_without_a_network_a_sentence_says_what_to_do(monkeypatch, nowhere, failure):
    def run(command, **options):
        if failure == "hangs":
            raise subprocess.TimeoutExpired(command, 1)
        return subprocess.CompletedProcess(command, 1, "", "\nnpm error code ENOTFOUND\n")

    monkeypatch.setattr(browser_runtime.shutil, "which", lambda _: "npm")
    monkeypatch.setattr(browser_runtime.subprocess, "run", run)
    reason = {"refuses": "npm error code ENOTFOUND", "hangs": "did not fetch"}[failure]
    with pytest.raises(ValueError, match=rf"{reason}.*is there a network\? Fetch it elsewhere"):
        find_runtime(None)
    assert not nowhere.exists()


def test_what_npm_fetches_is_checked_before_it_is_kept(monkeypatch, nowhere):
    def run(command, cwd, **options):
        (cwd / FILE).write_bytes(b"what someone put in between")
        return subprocess.CompletedProcess(command, 0, "", "")

    monkeypatch.setattr(browser_runtime.shutil, "which", lambda _: "npm")
    monkeypatch.setattr(browser_runtime.subprocess, "run", run)
    with pytest.raises(ValueError, match="its SHA-512 is another"):
        find_runtime(None)
    assert not nowhere.exists()


def test_outside_of_a_checkout_it_is_kept_in_the_users_cache(monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    (folder,) = kept_folders()
    assert folder.name == "browser"
    (tmp_path / "dvc.yaml").touch()
    assert [str(each) for each in kept_folders()] == ["work/browser", str(folder)]
