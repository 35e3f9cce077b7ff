"""What DVC was writing when it was killed is put back or removed; what is whole, or is being written, is left alone."""

import fcntl
import subprocess
from pathlib import Path

import pytest

from cadc.compose.half_written import mend

WHOLE = (Path(__file__).parents[2] / "dvc.lock").read_bytes()
#: Cut off in the first bytes, where DVC's buffer ends, in the last line, and behind a key whose value is missing.
CUTS = (0, 5, 8192, len(WHOLE) - 2, WHOLE.index(b"    outs:\n") + len(b"    outs:\n"))


def git(folder, *arguments):
    subprocess.run(["git", *arguments], cwd=folder, check=True)


@pytest.fixture
def checkout(tmp_path):
    git(tmp_path, "init", "-q")
    for name in ("dvc.lock", "pipelines/one/dvc.lock"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_bytes(WHOLE)
    git(tmp_path, "add", ".")
    return tmp_path


@pytest.mark.parametrize("cut", CUTS)
@pytest.mark.parametrize("name", ["dvc.lock", "pipelines/one/dvc.lock"])
def test_half_a_lock_file_is_replaced_by_git_s(checkout, name, cut):
    (checkout / name).write_bytes(WHOLE[:cut])
    (told,) = mend(checkout)
    assert str(checkout / name) in told and "replaced by git's version" in told
    assert (checkout / name).read_bytes() == WHOLE
    assert mend(checkout) == []


def test_half_a_lock_file_that_git_does_not_have_is_removed(checkout):
    path = checkout / "pipelines/two/dvc.lock"
    path.parent.mkdir()
    path.write_bytes(WHOLE[:-1])
    (told,) = mend(checkout)
    assert "removed" in told and not path.exists()


def test_half_a_lock_file_that_was_added_to_git_is_removed(checkout):
    path = checkout / "dvc.lock"
    path.write_bytes(WHOLE[:8192])
    git(checkout, "add", ".")
    (told,) = mend(checkout)
    assert "removed" in told and not path.exists()


def test_lock_files_that_are_whole_or_in_conflict_are_left_alone(checkout):
    path = checkout / "dvc.lock"
    conflict = b"<<<<<<< HEAD\n" + WHOLE + b"=======\n" + WHOLE + b">>>>>>> other\n"
    for content in (b"schema: '2.0'\nstages: {}\n", conflict):
        path.write_bytes(content)
        before = path.stat().st_mtime_ns
        assert mend(checkout) == [] and path.stat().st_mtime_ns == before
    path.unlink()
    assert mend(checkout) == [] and not path.exists()


def test_a_file_that_a_running_dvc_is_writing_is_left_alone(checkout):
    (checkout / ".dvc/tmp").mkdir(parents=True)
    (checkout / "dvc.lock").write_bytes(b"")
    (checkout / ".dvc/tmp/rwlock").write_bytes(b"")
    with (checkout / ".dvc/tmp/lock").open("w") as lock, (checkout / ".dvc/tmp/rwlock.lock").open("w") as guard:
        for file in (lock, guard):
            fcntl.flock(file, fcntl.LOCK_EX)
        assert mend(checkout) == []
    assert len(mend(checkout)) == 2 and not (checkout / ".dvc/tmp/rwlock").exists()


def test_dvc_holds_the_locks_that_are_asked_for(tmp_path):
    from dvc.repo import Repo  # late: it takes a second
    from dvc.rwlock import RWLOCK_FILE, RWLOCK_LOCK

    with Repo.init(str(tmp_path), no_scm=True) as repo:
        assert {Path(file) for file in repo.lock.files} == {tmp_path / ".dvc/tmp/lock"}
        assert (RWLOCK_FILE, RWLOCK_LOCK) == ("rwlock", "rwlock.lock")
        (tmp_path / "dvc.lock").write_bytes(b"")
        with repo.lock:
            assert mend(tmp_path) == []
    assert len(mend(tmp_path)) == 1


@pytest.mark.parametrize(("content", "kept"), [("", False), ('{"a": {"wr', False), ("[]", False), ('{"a": {}}', True)])
def test_half_of_the_lock_on_files_is_removed(checkout, content, kept):
    path = checkout / ".dvc/tmp/rwlock"
    path.parent.mkdir(parents=True)
    path.write_text(content)
    assert len(mend(checkout)) == (not kept) and path.exists() == kept
