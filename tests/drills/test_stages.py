"""Every stage of the root DAG on a full disk, in a read-only checkout, with some outputs deleted, and with a clock that
was set back. Each case is an overlay over the miniature, which stays unchanged."""

import os
import random
import shlex
from pathlib import Path

import pytest
from in_turn import InTurn
from layers import Layer, files
from miniature import lock, run

pytestmark = pytest.mark.drill
#: One of each kind, with arms that select rows before training and during it.
STAGES = ("prepare", "pool", "embed", "proxy@default", "capture@default", "attribute@default", "discover@cadc",
          "curate@cadc", "curate@progress", "finetune@random", "finetune@progress", "score@progress", "facts",
          "operations", "report", "page")  # fmt: skip
LONG_AGO, TO_COME = 1_000_000_000, 4_000_000_000  # seconds: 2001 and 2096


@pytest.fixture(scope="module")
def stages(undisturbed):
    """A function that runs a stage in a folder and returns its message; one process runs all stages."""
    process = InTurn(undisturbed)
    yield lambda folder, stage: process.run(folder, *words_of(undisturbed, stage))
    process.close()


@pytest.fixture
def layer(undisturbed, tmp_path):
    """An overlay without scratch, because kept parts would replace the work."""
    try:
        made = Layer(undisturbed, tmp_path / "layer")
    except OSError as error:
        pytest.skip(f"nothing may be mounted here: {error}")
    if (made.folder / "artifacts/scratch").exists():
        made.remove("artifacts/scratch")
    yield made
    made.close()


def words_of(folder, stage):
    return shlex.split(lock(folder)[stage]["cmd"])[1:]


def outs_of(folder, stage):
    return [out["path"] for out in lock(folder)[stage]["outs"]]


def is_message(said, stage):
    """Whether a stage stopped with one message, or with one for each of several faults."""
    return said.startswith(f"{stage}: ") and "Traceback" not in said


@pytest.mark.parametrize("stage", STAGES)
def test_a_stage_on_a_full_disk(undisturbed, layer, stages, stage):
    """If the disk fills while a stage works, one message says so and no half-written file is left; with space freed,
    the stage writes the same bytes."""
    size = sum(out["size"] for out in lock(undisturbed)[stage]["outs"])
    layer.leave(size // 2048)
    said = stages(layer.folder, stage)
    assert is_message(said, stage) and "the disk is full" in said, said
    assert not list(layer.folder.glob("artifacts/**/*.partial"))
    layer.make_room()
    assert stages(layer.folder, stage) == ""
    outs = outs_of(undisturbed, stage)
    assert files(layer.folder, outs) == files(undisturbed, outs)


def test_a_checkout_that_can_t_be_written(undisturbed, layer):
    """If its checkout is read-only, every stage says so with one message, also without HOME."""
    layer.close_to_writing()
    process = InTurn(layer.folder, HOME=None, XDG_CACHE_HOME=str(layer.folder / "cache"), NUMBA_CACHE_DIR=None)
    said = {stage: process.run(layer.folder, *words_of(undisturbed, stage)) for stage in STAGES}
    process.close()
    assert not {stage: text for stage, text in said.items() if not (is_message(text, stage) and "not writable" in text)}


def parts_of(folder, stage):
    """Paths of every artifact that a stage reads: the whole, one of its files, and its last folder."""
    names = {read["path"]: None for read in lock(folder)[stage]["deps"]}
    for name in [name for name in names if name.startswith(("artifacts/", "reports/"))]:
        inside = sorted((folder / name).rglob("*")) if (folder / name).is_dir() else []
        if kept := [path for path in inside if path.is_file()]:
            names[str(random.Random(f"{stage} {name}").choice(kept).relative_to(folder))] = None
        if folders := [path for path in inside if path.is_dir()]:
            names[str(folders[-1].relative_to(folder))] = None
    return [name for name in names if name.startswith(("artifacts/", "reports/"))]


@pytest.mark.parametrize("stage", [stage for stage in STAGES if stage not in ("prepare", "page")])
def test_what_a_stage_reads_is_gone_in_part(undisturbed, tmp_path, stages, stage):
    """If an output that a stage reads was deleted, whole or in part, the stage stops with one message or writes the
    same bytes; it never works with an incomplete input. (The page is left out: it shows what exists.)"""
    outs, fell = outs_of(undisturbed, stage), {}
    for k, name in enumerate(parts_of(undisturbed, stage)):
        try:
            layer = Layer(undisturbed, tmp_path / str(k))
        except OSError as error:
            pytest.skip(f"nothing may be mounted here: {error}")
        layer.remove(name)
        said = stages(layer.folder, stage)
        if not is_message(said, stage) and (said or files(layer.folder, outs) != files(undisturbed, outs)):
            fell[name] = said or "ended in other bytes"
        layer.close()
    assert not fell


def test_dvc_brings_back_what_is_gone(undisturbed, layer):
    """`dvc repro` restores an output that was deleted, whole or in part."""
    gone = ["artifacts/embeddings", "artifacts/capabilities/cadc/purity.npy", "artifacts/selections/random/s1.parquet",
            "reports/arms/cadc/metrics.json"]  # fmt: skip
    before = files(undisturbed, gone)
    for name in gone:
        layer.remove(name)
    run(layer.folder, "dvc", "repro")
    assert before and files(layer.folder, gone) == before and lock(layer.folder) == lock(undisturbed)


@pytest.mark.parametrize("when", [LONG_AGO, TO_COME])
def test_the_times_of_files_do_not_matter(undisturbed, layer, stages, when):
    """If all files are dated 2001, or in the future as after a clock was set back, stages write the same bytes."""
    for path in (path for name in ("artifacts", "reports", "stages") for path in (layer.folder / name).rglob("*")):
        os.utime(path, (when, when), follow_symlinks=False)
    for stage in ("pool", "attribute@default", "curate@cadc", "score@progress", "report"):
        assert stages(layer.folder, stage) == ""
        outs = outs_of(undisturbed, stage)
        assert files(layer.folder, outs) == files(undisturbed, outs), stage


def test_the_drills_know_every_kind_of_stage(undisturbed):
    """The drills cover every kind of stage of the root DAG."""
    assert {name.partition("@")[0] for name in lock(undisturbed)} == {name.partition("@")[0] for name in STAGES}
    assert all(Path(words_of(undisturbed, stage)[0]).is_relative_to("stages") for stage in STAGES)
