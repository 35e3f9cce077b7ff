"""Every stage of the root DAG on a full disk, in a checkout that can't be written, beside outputs that are gone in
part, and with a clock that was set back. Each case is a layer over the miniature, which stays as it was."""

import os
import random
import shlex
from pathlib import Path

import pytest
from in_turn import InTurn
from layers import Layer, files
from miniature import lock, run

pytestmark = pytest.mark.drill
#: One of each kind: arms whose rows are chosen before training and in it.
STAGES = ("prepare", "pool", "embed", "proxy@default", "capture@default", "attribute@default", "discover@cadc",
          "curate@cadc", "curate@progress", "finetune@random", "finetune@progress", "score@progress", "facts",
          "operations", "report", "page")  # fmt: skip
LONG_AGO, TO_COME = 1_000_000_000, 4_000_000_000  # seconds: 2001 and 2096


@pytest.fixture(scope="module")
def stages(undisturbed):
    """A stage in a folder, and what it says; one process for all of them."""
    process = InTurn(undisturbed)
    yield lambda folder, stage: process.run(folder, *words_of(undisturbed, stage))
    process.close()


@pytest.fixture
def layer(undisturbed, tmp_path):
    """Without scratch: kept parts would spare the work."""
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


def is_sentence(said, stage):
    """Or one for each of several faults."""
    return said.startswith(f"{stage}: ") and "Traceback" not in said


@pytest.mark.parametrize("stage", STAGES)
def test_a_stage_on_a_full_disk(undisturbed, layer, stages, stage):
    """A stage whose disk is full in the middle of its work says so in a sentence and leaves no half-written file; with
    room made it ends in the same bytes."""
    size = sum(out["size"] for out in lock(undisturbed)[stage]["outs"])
    layer.leave(size // 2048)
    said = stages(layer.folder, stage)
    assert is_sentence(said, stage) and "the disk is full" in said, said
    assert not list(layer.folder.glob("artifacts/**/*.partial"))
    layer.make_room()
    assert stages(layer.folder, stage) == ""
    outs = outs_of(undisturbed, stage)
    assert files(layer.folder, outs) == files(undisturbed, outs)


def test_a_checkout_that_can_t_be_written(undisturbed, layer):
    """Every stage says in a sentence that its checkout can't be written, also where there is no HOME to write to."""
    layer.close_to_writing()
    process = InTurn(layer.folder, HOME=None, XDG_CACHE_HOME=str(layer.folder / "cache"), NUMBA_CACHE_DIR=None)
    said = {stage: process.run(layer.folder, *words_of(undisturbed, stage)) for stage in STAGES}
    process.close()
    assert not {
        stage: text for stage, text in said.items() if not (is_sentence(text, stage) and "not writable" in text)
    }


def parts_of(folder, stage):
    """Of every artifact that a stage reads: the whole, one file of it, and the last folder in it."""
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
    """Where an output that a stage reads, or a part of it, was deleted, the stage says so in a sentence, or ends in the
    same bytes without it: it never goes by half. (The page shows what there is.)"""
    outs, fell = outs_of(undisturbed, stage), {}
    for k, name in enumerate(parts_of(undisturbed, stage)):
        try:
            layer = Layer(undisturbed, tmp_path / str(k))
        except OSError as error:
            pytest.skip(f"nothing may be mounted here: {error}")
        layer.remove(name)
        said = stages(layer.folder, stage)
        if not is_sentence(said, stage) and (said or files(layer.folder, outs) != files(undisturbed, outs)):
            fell[name] = said or "ended in other bytes"
        layer.close()
    assert not fell


def test_dvc_brings_back_what_is_gone(undisturbed, layer):
    """`dvc repro` brings back an output that was deleted, whole or in part."""
    gone = ["artifacts/embeddings", "artifacts/capabilities/cadc/purity.npy", "artifacts/selections/random/s1.parquet",
            "reports/arms/cadc/metrics.json"]  # fmt: skip
    before = files(undisturbed, gone)
    for name in gone:
        layer.remove(name)
    run(layer.folder, "dvc", "repro")
    assert before and files(layer.folder, gone) == before and lock(layer.folder) == lock(undisturbed)


@pytest.mark.parametrize("when", [LONG_AGO, TO_COME])
def test_the_times_of_files_do_not_matter(undisturbed, layer, stages, when):
    """Where every file is from 2001, or from a time to come, as after a clock was set back, stages end in the same
    bytes."""
    for path in (path for name in ("artifacts", "reports", "stages") for path in (layer.folder / name).rglob("*")):
        os.utime(path, (when, when), follow_symlinks=False)
    for stage in ("pool", "attribute@default", "curate@cadc", "score@progress", "report"):
        assert stages(layer.folder, stage) == ""
        outs = outs_of(undisturbed, stage)
        assert files(layer.folder, outs) == files(undisturbed, outs), stage


def test_the_drills_know_every_kind_of_stage(undisturbed):
    """Each stage of the root DAG is among those that are drilled."""
    assert {name.partition("@")[0] for name in lock(undisturbed)} == {name.partition("@")[0] for name in STAGES}
    assert all(Path(words_of(undisturbed, stage)[0]).is_relative_to("stages") for stage in STAGES)
