"""Files that want more than to be read: others' files opened, code run, a terminal's controls in a message."""

import json
import os
import shutil

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from made_pictures import file_of
from PIL import Image
from safetensors.torch import load_file, save_file

from cadc.cli import outputs, selections
from cadc.config.errors import InputError, first_line
from cadc.config.params import Lora
from cadc.data.checks import check_benchmark
from cadc.data.hub_copy import copy_data_sets
from cadc.data.hub_layout import MMT_COLUMNS, parquet_splits, write_card, write_split
from cadc.data.own_questions import read_choice
from cadc.data.probe import MMT, probe_rows
from cadc.data.reader import PoolError, read_pool
from cadc.data.tables import survives
from cadc.model.adapters import load_adapter, save_adapter, start_from
from cadc.model.load import add_lora, trainable
from cadc.training.checkpoint import Checkpoint
from cadc.training.snapshots import load_snapshots

ROW = {"index": 0, "question": "which?", "A": "cat", "B": "dog", "answer": "A", "category": "c", "l2-category": "m"}
TALK = [{"from": "human", "value": "q"}, {"from": "gpt", "value": "a"}]


def test_a_benchmark_does_not_name_files_of_this_machine(tmp_path):
    """A cell without bytes once had its path opened, wherever it led."""
    secret = tmp_path / "secret.png"
    secret.write_bytes(file_of(Image.new("RGB", (20, 20))))
    cell = {"bytes": None, "path": str(secret)}
    write_split(tmp_path / MMT, "default", "val", [ROW | {"split": "VAL", "image": cell}], MMT_COLUMNS)
    write_card(tmp_path / MMT, {"default": ["val"]})
    with pytest.raises(InputError, match="not an image in the table"):
        list(probe_rows(tmp_path, "mmt_val"))
    with pytest.raises(
        InputError, match=r"row 1: image '.*secret.png' is named, but not in the table; embed its bytes"
    ):
        check_benchmark([("row 1", cell)], min_side=1, max_pixels=1 << 20, max_ratio=9)


@pytest.mark.parametrize("path", ["../outside/val-*", "/etc/*.parquet", "https://127.0.0.1:9/val.parquet"])
def test_a_card_does_not_name_files_outside_of_its_folder(tmp_path, path):
    write_split(tmp_path, "default", "val", [ROW | {"split": "VAL", "image": None}], MMT_COLUMNS)
    head = {"configs": [{"config_name": "default", "data_files": [{"split": "val", "path": path}]}]}
    (tmp_path / "README.md").write_text(f"---\nconfigs: {json.dumps(head['configs'])}\n---\n")
    with pytest.raises(InputError, match="is no file of the folder"):
        parquet_splits(tmp_path)


def test_a_card_whose_configs_are_null_is_read(tmp_path):
    write_split(tmp_path / MMT, "default", "val", [ROW | {"split": "VAL", "image": None}], MMT_COLUMNS)
    (tmp_path / MMT / "README.md").write_text('---\n"configs": null\n---\n')
    assert copy_data_sets(tmp_path, tmp_path / "to", [MMT], {MMT: [(None, "val")]}) == [MMT]


def test_an_id_s_line_breaks_and_controls_are_shown_as_escapes(tmp_path):
    row = {"id": "a\nb\x1b[2J", "image": "no.png", "conversations": [TALK[0] | {"value": "<image>"}, TALK[1]]}
    (tmp_path / "rows.json").write_text(json.dumps([row]))
    with pytest.raises(PoolError) as error:
        read_pool(tmp_path / "rows.json", tmp_path)
    assert str(error.value).isprintable() and r"row id a\nb\x1b[2J: image 'no.png' is missing" in str(error.value)


def test_several_faults_have_a_line_each_and_a_library_s_is_short():
    assert str(InputError("a\nb\x07 ö\u202e")) == "a\nb\\x07 ö\\u202e"
    assert first_line(ValueError("x" * 9999 + "\nmore")) == "x" * 300 + "..." and first_line(KeyError()) == "KeyError"


def test_an_index_is_quoted_on_one_line(tmp_path):
    names = ["index", "question", "A", "B", "answer", "category", "l2-category", "split", "image_path"]
    (tmp_path / "mmt.tsv").write_text("\t".join(names) + '\n"1\n2"\twhich?\tcat\tdog\tA\tc\tm\tVAL\ta.png\n')
    with pytest.raises(PoolError) as error:
        read_choice(tmp_path / "mmt.tsv", None)
    assert str(error.value).isprintable() and r"index 1\n2" in str(error.value)


WHY = pa.table({"id": ["r0"], "chosen": [True], "rank": pa.array([0], pa.int32()), "score": [0.5]})
MANIFEST = {"pool": {"sha256": "x"}, "method": "cadc", "by_source": {"own": 1}}


@pytest.fixture
def selection(tmp_path):
    """What `cadc curate` left beside s.json."""
    pq.write_table(WHY, tmp_path / "s.why.parquet")
    (tmp_path / "s.manifest.json").write_text(json.dumps(MANIFEST))
    (tmp_path / "s.json").write_text(json.dumps([{"id": "r0", "conversations": TALK}]))
    return tmp_path / "s.json"


@pytest.mark.parametrize(
    "name, content",
    [
        ("s.manifest.json", b"[]"),
        ("s.manifest.json", b'{"pool": 1, "method": "cadc"}'),
        ("s.manifest.json", b"[" * 100_000),
        ("s.why.parquet", b"PAR1" + bytes(20) + b"PAR1"),
        ("s.why.parquet", WHY.drop(["rank"])),
        ("s.why.parquet", WHY.set_column(0, "id", pa.array([1]))),
        ("s.why.parquet", WHY.append_column("capability", pa.array([{"a": 1}]))),
        ("s.why.parquet", WHY.set_column(0, "id", pa.array([None], pa.string()))),
        ("s.why.parquet", WHY.set_column(2, "rank", pa.array([None], pa.int32()))),
        ("s.why.parquet", WHY.set_column(2, "rank", pa.array([-1], pa.int32()))),
        ("s.manifest.json", json.dumps(MANIFEST | {"pool": {"sha256": {}}}).encode()),
        ("s.manifest.json", json.dumps(MANIFEST | {"by_source": [["own", 1]]}).encode()),
        ("s.manifest.json", json.dumps(MANIFEST | {"by_source": {"own": "x"}}).encode()),
        ("s.json", b'[{"id": "r0", "conversations": [1]}]'),
        ("s.json", b"[ {"),
    ],
)
def test_a_broken_selection_is_one_sentence(selection, name, content):
    selections.compare(selection, selection)
    selections.explain("r0", [selection])
    path = selection.with_name(name)
    path.write_bytes(content) if isinstance(content, bytes) else pq.write_table(content, path)
    with pytest.raises(InputError, match=rf"{name}: can't be read \(.*\); have `cadc curate` write it again$"):
        selections.compare(selection, selection)
        selections.explain("r0", [selection])


def test_a_list_of_data_sets_that_holds_no_objects_is_refused(selection):
    selection.with_name("dataset_info.json").write_text('{"s": 1}')
    with pytest.raises(InputError, match="is not a JSON object of objects"):
        outputs._entries(selection)


def _changed_config(folder, **changes):
    path = folder / "adapter_config.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | changes))


HEAD = b"\x08\0\0\0\0\0\0\0{broken}"
DAMAGE = {
    "head": lambda folder: (folder / "adapter_model.safetensors").write_bytes(HEAD),
    "config": lambda folder: (folder / "adapter_config.json").write_text("{"),
    "module": lambda folder: _changed_config(folder, megatron_config={"a": 1}, megatron_core="evil"),
    "kind": lambda folder: _changed_config(folder, peft_type="PROMPT_TUNING"),
    "rank": lambda folder: _changed_config(folder, r="four"),
    "lacking": lambda folder: save_file(
        dict(list(load_file(folder / "adapter_model.safetensors").items())[1:]), folder / "adapter_model.safetensors"
    ),
}


@pytest.mark.parametrize("what", DAMAGE)
def test_a_damaged_adapter_is_one_sentence_and_imports_nothing(tiny_model, tmp_path, what):
    """PEFT imports the module that `megatron_core` names, and passes over weights that are lacking."""
    model = add_lora(tiny_model, Lora(rank=2, alpha=4, targets=r".*language_model.*q_proj"), 0)
    save_adapter(model, tmp_path / "a")
    load_adapter(model, tmp_path / "a", "whole")
    start_from(model, tmp_path / "a")
    shutil.copytree(tmp_path / "a", tmp_path / "b")
    DAMAGE[what](tmp_path / "b")
    with pytest.raises(InputError, match=r"/b[:/]"):
        load_adapter(model, tmp_path / "b", "other")


def test_damaged_weights_snapshots_and_checkpoints_are_named(lora_model, tiny_model, tmp_path):
    for name in ("weights.safetensors", "snapshot_0.safetensors", "run.checkpoint"):
        (tmp_path / name).write_bytes(HEAD)
    (tmp_path / "snapshots.json").write_text('[{"step": 1}]')
    with pytest.raises(InputError, match=r"weights.safetensors: can't be read \(Error while deserializing header"):
        load_adapter(tiny_model, tmp_path)
    with pytest.raises(InputError, match="snapshot_0.safetensors: can't be read"):
        load_snapshots(tmp_path)
    with pytest.raises(
        InputError, match="run.checkpoint: not a checkpoint of this run .*remove it, and the run starts again"
    ):
        Checkpoint(tmp_path / "run.checkpoint").load(lora_model, None)
    save_file({"x": next(iter(trainable(lora_model).values())).detach()}, tmp_path / "snapshot_0.safetensors")
    with pytest.raises(InputError, match="snapshots.json: can't be read"):
        load_snapshots(tmp_path)


def test_a_library_that_ends_the_process_ends_another_one():
    """Arrow does so at a footer in which a column of texts is said to hold booleans."""
    assert survives(lambda: None) and not survives(lambda: os.kill(os.getpid(), 9)) and not survives(lambda: 1 / 0)


def test_a_long_value_is_not_quoted_whole(tmp_path):
    names = ["index", "question", "A", "B", "answer", "category", "l2-category", "split", "image_path"]
    (tmp_path / "mmt.tsv").write_text("\t".join(names) + f"\n1\twhich?\tcat\tdog\tA\tc\tm\t{'x' * 9999}\ta.png\n")
    with pytest.raises(PoolError, match=r"split is 'x+\.\.\. \(10001 characters\); write VAL"):
        read_choice(tmp_path / "mmt.tsv", None)


def test_a_message_about_a_row_with_an_endless_id_ends():
    said = str(PoolError(f"rows.json, row id {'x' * 99_999}: image is missing; restore it"))
    assert len(said) < 2010 and said.startswith("rows.json, row id x") and said.endswith("image is missing; restore it")
