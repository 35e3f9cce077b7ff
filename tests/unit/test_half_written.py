"""What DVC was writing when it was killed is put aside; what is whole, or not due to a kill, is left alone."""

import subprocess
from pathlib import Path

import pytest
from dvc.lock import make_lock
from dvc.repo import Repo
from dvc.rwlock import RWLOCK_FILE, RWLOCK_LOCK

from cadc.compose.half_written import is_lock, mend

WHOLE = (Path(__file__).parents[2] / "dvc.lock").read_bytes()
SMALL = b"""\
schema: '2.0'
stages:
  make:
    cmd: echo
    outs:
    - path: one
      hash: md5
      md5: 0123456789abcdef0123456789abcdef.dir
      size: 5
      nfiles: 1
"""
#: Cut off in the first bytes, where DVC's buffer ends, in the last line, and behind a key whose value is missing.
CUTS = (0, 5, 8192, len(WHOLE) - 2, WHOLE.index(b"    outs:\n") + len(b"    outs:\n"))
CONFLICTS = (b"<<<<<<< HEAD\n" + SMALL, SMALL + b"=======\n" + SMALL, SMALL + b">>>>>>> other")


def git(folder, *arguments):
    subprocess.run(["git", *arguments], cwd=folder, check=True, capture_output=True)


@pytest.fixture
def checkout(tmp_path):
    git(tmp_path, "init", "-q")
    (tmp_path / ".dvc/tmp").mkdir(parents=True)
    for name in ("dvc.lock", "pipelines/one/dvc.lock"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_bytes(WHOLE)
    git(tmp_path, "add", ".")
    return tmp_path


@pytest.mark.parametrize("cut", CUTS)
@pytest.mark.parametrize("name", ["dvc.lock", "pipelines/one/dvc.lock"])
def test_half_a_lock_file_is_kept_aside_and_git_s_put_back(checkout, name, cut):
    (checkout / name).write_bytes(WHOLE[:cut])
    (told,) = mend(checkout)
    kept = checkout / ".dvc/tmp/half" / name.replace("/", "-")
    assert str(checkout / name) in told and str(kept) in told and "git's version put back" in told
    assert (checkout / name).read_bytes() == WHOLE and kept.read_bytes() == WHOLE[:cut]
    assert mend(checkout) == []


def test_every_half_of_a_small_lock_file_is_known_but_for_whole_stages():
    whole = [k for k in range(len(SMALL) + 1) if is_lock(SMALL[:k])]
    lines = [SMALL[:k].splitlines()[-1] for k in whole]
    assert lines == [b"    cmd: echo", b"      nfiles: 1"]  # without outputs DVC sees that the stage has changed
    assert is_lock(WHOLE) and is_lock(b"schema: '2.0'\nstages: {}\n") and not is_lock(b"\xff\n")
    assert is_lock(SMALL.replace(b"make:", b"on:"))  # to PyYAML a truth value, to DVC a name


@pytest.mark.parametrize("content", CONFLICTS)
def test_a_merge_conflict_is_left_alone(checkout, content):
    (checkout / "dvc.lock").write_bytes(content)
    assert mend(checkout) == [] and (checkout / "dvc.lock").read_bytes() == content


def test_a_lock_file_of_an_unfinished_merge_is_left_alone(checkout):
    for name, say in (("theirs", b"  # one\n"), ("ours", b"  # two\n")):
        (checkout / "dvc.lock").write_bytes(SMALL + say)
        git(checkout, "checkout", "-q", "--orphan", name)
        git(checkout, "add", ".")
        git(checkout, "-c", "user.name=a", "-c", "user.email=a@b", "commit", "-qm", name)
    with pytest.raises(subprocess.CalledProcessError):
        git(checkout, "merge", "--allow-unrelated-histories", "theirs")
    (checkout / "dvc.lock").write_bytes(SMALL.rstrip())  # resolved, by an editor that writes no last newline
    assert mend(checkout) == [] and (checkout / "dvc.lock").read_bytes() == SMALL.rstrip()


@pytest.mark.parametrize("added", [None, WHOLE[:8192], WHOLE[:100]])
def test_half_a_lock_file_of_which_git_has_no_whole_one_is_only_put_aside(checkout, added):
    path = checkout / "pipelines/two/dvc.lock"
    path.parent.mkdir()
    if added is not None:
        path.write_bytes(added)
        git(checkout, "add", ".")
    path.write_bytes(WHOLE[:8192])
    (told,) = mend(checkout)
    assert "git's" not in told and not path.exists()
    assert (checkout / ".dvc/tmp/half/pipelines-two-dvc.lock").read_bytes() == WHOLE[:8192]


def test_whole_files_links_and_folders_that_are_no_project_are_left_alone(checkout, tmp_path_factory):
    path = checkout / "dvc.lock"
    before = path.stat().st_mtime_ns
    assert mend(checkout) == [] and path.stat().st_mtime_ns == before
    path.unlink()
    assert mend(checkout) == [] and not path.exists()
    (checkout / "real").write_bytes(b"half")
    path.symlink_to("real")
    assert mend(checkout) == [] and path.is_symlink()
    other = tmp_path_factory.mktemp("other")
    (other / "dvc.lock").write_bytes(b"half")
    assert mend(other) == [] and [file.name for file in other.iterdir()] == ["dvc.lock"]


@pytest.mark.parametrize("hard", [False, True])
def test_what_a_running_dvc_is_writing_is_left_alone(tmp_path, hard):
    with Repo.init(str(tmp_path), no_scm=True) as repo, repo.config.edit() as config:
        config["core"]["hardlink_lock"] = hard
    with Repo(str(tmp_path)) as repo:
        half = (tmp_path / "dvc.lock", tmp_path / ".dvc/tmp" / RWLOCK_FILE)
        for path in half:
            path.write_bytes(b"")
        tmp = str(tmp_path / ".dvc/tmp")
        guard = make_lock(f"{tmp}/{RWLOCK_LOCK}", tmp_dir=tmp, hardlink_lock=hard)
        with repo.lock, guard:
            assert mend(tmp_path) == [] and all(path.exists() for path in half)
        assert len(mend(tmp_path)) == 2 and not any(path.exists() for path in half)
        with repo.lock:  # none of ours is left
            pass


@pytest.mark.parametrize(("content", "whole"), [("", False), ('{"a": {"wr', False), ("[]", False), ('{"a": {}}', True)])
def test_half_of_the_lock_on_files_is_put_aside(checkout, content, whole):
    path = checkout / ".dvc/tmp/rwlock"
    path.write_text(content)
    assert len(mend(checkout)) == (not whole) and path.exists() == whole
