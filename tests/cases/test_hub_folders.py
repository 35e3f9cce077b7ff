"""Folders of parquet files as the hub, `hf download` and people leave them: which files are of which split."""

import shutil

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from cadc.config.errors import InputError
from cadc.data.hub_layout import POPE_COLUMNS, parquet_splits, split_files, write_card, write_split
from cadc.data.probe import MMT, POPE, load_probe
from cadc.data.reader import PoolError, read_pool
from cadc.world.benchmarks import write_mmt, write_pope


def parquet(path, *ids):
    talk = [{"from": "human", "value": "q"}, {"from": "gpt", "value": "a"}]
    path.parent.mkdir(parents=True, exist_ok=True)
    pq.write_table(pa.Table.from_pylist([{"id": name, "conversations": talk} for name in ids]), path)


def ids(path):
    return read_pool(path, None)[0]["id"].to_pylist()


CARD = "---\nconfigs:\n{}---\n"
SEVERAL = {  # files of a folder, its card -> the splits that it holds
    "hub": (["data/train-00000-of-00001", "data/test-00000-of-00001"], None, "test, train"),
    "by folder": (["train/0000", "validation/0000"], None, "train, validation"),
    "converted": (["default/train/0000", "default/test/0000"], None, "test, train"),
    "words": (["my-train", "my_val"], None, "train, validation"),
    "testdev": (["train", "testdev"], None, "testdev, train"),
    "test-dev": (["test", "test-dev"], None, "testdev, test"),
    "holdout": (["train", "holdout"], None, "holdout, train"),
    "hold-outs alone": (["hold_out_1", "minival"], None, "holdout, minival"),
    "minival by folder": (["val2014/0", "minival2014/0"], None, "minival, validation"),
    "testA": (["refcoco/testA/0", "refcoco/testB/0"], None, "testa, testb"),
    "trainval": (["trainval", "test_std"], None, "teststd, trainval"),
    "no known word beside one": (["train", "extra"], None, "extra, train"),
    "six digits": (["train-000000-of-000001", "test-000000-of-000001"], None, "test, train"),
    "configs": (["en/train-00000-of-00001", "de/train-00000-of-00001"], None, "de/train, en/train"),
    "own names": (["coco-00000-of-00001", "gqa-00000-of-00001"], None, "coco, gqa"),
    "by its card": (
        ["a/x", "a/y"],
        "- config_name: default\n  data_files:\n  - split: train\n    path: a/x*\n"
        "  - split: extra\n    path: [a/y.parquet]\n",
        "train, extra",
    ),
    "by its card, from ./": (
        ["a/x", "a/y"],
        "- config_name: d\n  data_files:\n  - {split: train, path: ./a/x.parquet}\n  - {split: dev, path: a/./y*}\n",
        "train, dev",
    ),
    "by its card's data_dir": (
        ["en/one", "de/one"],
        "- {config_name: en, data_dir: en}\n- {config_name: de, data_dir: ./de, data_files: '*'}\n",
        "en/train, de/train",
    ),
    "by its card, of data_dir by name": (
        ["en/train", "en/test"],
        "- {config_name: en, data_dir: en}\n",
        "test, train",
    ),
    "a folder says otherwise than its file": (
        ["data/train-00000-of-00001", "val/train-00000-of-00001"],
        None,
        "default/train, val/train",
    ),
    "a star is of one folder": (
        ["a/x", "a/deep/y"],
        "- config_name: d\n  data_files:\n  - {split: train, path: a/*}\n  - {split: test, path: a/**/y.parquet}\n",
        "train, test",
    ),
}


@pytest.mark.parametrize("files, card, said", SEVERAL.values(), ids=SEVERAL)
def test_a_folder_of_several_splits_is_refused_and_one_can_be_named(tmp_path, files, card, said):
    for name in files:
        parquet(tmp_path / f"{name}.parquet", name)
    if card:
        (tmp_path / "README.md").write_text(CARD.format(card))
    with pytest.raises(PoolError, match=f"holds the splits {said}; set data.annotations to the files of one") as error:
        ids(tmp_path)
    named = tmp_path / str(error.value).split(f"such as {tmp_path}/")[1]  # what the message says names one split
    assert len(ids(named)) == 1 and set(ids(named)) < set(files)


def test_one_split_is_read_whole_and_nothing_hidden(tmp_path):
    for i in range(3):
        parquet(tmp_path / f"data/train-{i:05d}-of-00003.parquet", f"r{i}")
    parquet(tmp_path / ".cache/huggingface/train-00000-of-00003.parquet", "old")
    parquet(tmp_path / "data/.ipynb_checkpoints/train-00000-of-00003.parquet", "old")
    write_card(tmp_path, {"default": ["train"]})
    assert ids(tmp_path) == ids(tmp_path / "data") == ids(tmp_path / "data/train-*.parquet") == ["r0", "r1", "r2"]
    for i in range(2):  # parts of a table without a split's name
        parquet(tmp_path / f"parts/{'ab'[i]}/x.parquet", f"p{i}")
    assert ids(tmp_path / "parts") == ["p0", "p1"]


def test_missing_files_of_a_split_are_named(tmp_path, capsys):
    parquet(tmp_path / "train-00000-of-00003.parquet", "a")
    parquet(tmp_path / "train-00002-of-00003.parquet", "c")
    for path in (tmp_path, tmp_path / "train-*.parquet"):
        with pytest.raises(PoolError, match="train-00001-of-00003 is missing, 1 of 3 files; fetch it again"):
            ids(path)
    assert ids(tmp_path / "train-00002-of-00003.parquet") == ["c"]  # named alone
    assert "one of 3 files; the others are not read" in capsys.readouterr().out
    parquet(tmp_path / "train-00001-of-00003.parquet", "b")
    parquet(tmp_path / "train-00000-of-00001.parquet", "old")
    with pytest.raises(PoolError, match="train is split into 1 and into 3 files, so two downloads"):
        ids(tmp_path)
    with pytest.raises(PoolError, match="no parquet file matches"):
        ids(tmp_path / "dev-*.parquet")


@pytest.mark.parametrize("name", ["data [1]", "a*b", "x{y,z}?", "[!a]"])
def test_a_root_that_looks_like_a_pattern(tmp_path, name):
    root = tmp_path / name
    parquet(root / "p/train-00000-of-00001.parquet", "a")
    assert ids(root / "p") == ids(root / "p/train-*.parquet") == ["a"]
    write_mmt(root, 1, [0], np.random.default_rng(0))
    assert load_probe(root, ["mmt_val"])[0].num_rows == 31
    from cadc.evaluation.benchmarks import load_tasks  # late: it imports lmms-eval

    assert len(load_tasks(root, ["mmt_val"]).tasks[0].dataset["val"]) == 31


def test_pope_is_read_once_in_either_layout_of_the_hub(tmp_path):
    write_pope(tmp_path, 3, [0], np.random.default_rng(0))
    by_sampling = load_probe(tmp_path, ["pope"])[0]
    rows = [row for path in sorted((tmp_path / POPE / "Full").iterdir()) for row in pq.read_table(path).to_pylist()]
    write_split(tmp_path / POPE, "default", "test", rows, POPE_COLUMNS)
    for card in (True, False):  # both are read with a card and by their names alone
        if not card:
            (tmp_path / POPE / "README.md").unlink()
        else:
            write_card(tmp_path / POPE, {"Full": ["adversarial", "popular", "random"], "default": ["test"]})
        both = load_probe(tmp_path, ["pope"])[0]
        assert both.num_rows == len({*both["id"].to_pylist()}) == len(rows) == by_sampling.num_rows
    assert len(split_files(tmp_path / POPE, "Full", "popular")) == 1 and len(parquet_splits(tmp_path / POPE)) == 4
    hidden = tmp_path / MMT / ".cache/val-00000-of-00001.parquet"
    hidden.parent.mkdir(parents=True)
    shutil.copy(next((tmp_path / POPE / "data").iterdir()), hidden)
    with pytest.raises(InputError, match=r"no val-\*.parquet"):
        load_probe(tmp_path, ["mmt_val"])


def card(folder, text, head="", tail=""):
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "README.md").write_text(f"---\n{head}configs:\n{text}---\n{tail}")


TWO = """- config_name: default
  data_files:
  - split: train
    path: data/a*
  - split: test
    path: data/b*
"""


@pytest.mark.parametrize("head", ["", "title: a --- b\n", "pretty_name: '---'\nlicense: mit\n", "\n# --- names ---\n"])
@pytest.mark.parametrize("end", ["\n", "\r\n"])
def test_a_head_ends_at_a_line_of_its_own(tmp_path, head, end):
    for name in "ab":
        parquet(tmp_path / f"data/{name}.parquet", name)
    card(tmp_path, TWO, head, "# A data set\n---\nconfigs: none\n")
    (tmp_path / "README.md").write_bytes((tmp_path / "README.md").read_text().replace("\n", end).encode())
    with pytest.raises(PoolError, match=f"holds the splits train, test; .* such as {tmp_path}/data/a.parquet"):
        ids(tmp_path)


def test_the_card_of_a_folder_above_says_it_too(tmp_path):
    for name in "ab":
        parquet(tmp_path / f"data/{name}.parquet", name)
    card(tmp_path, TWO)
    with pytest.raises(PoolError, match="data: holds the splits train, test"):
        ids(tmp_path / "data")
    (tmp_path / "data/b.parquet").unlink()
    assert ids(tmp_path / "data") == ids(tmp_path) == ["a"]
    parquet(tmp_path / "data/en/deep/x.parquet", "x")
    assert ids(tmp_path / "data/en") == ["x"]  # which that card does not name
    other = tmp_path / "data/en/README.md"
    other.write_text("---\nconfigs: [\n")
    with pytest.raises(PoolError, match=f"{other}: can't read the files of each split from its front matter"):
        ids(tmp_path / "data/en/deep")


def test_what_the_card_leaves_out_is_not_read_and_said(tmp_path, capsys):
    for name in ("data/a1", "data/a2", "old/a1", "extra"):
        parquet(tmp_path / f"{name}.parquet", name)
    card(tmp_path, TWO)
    assert ids(tmp_path) == ["data/a1", "data/a2"]
    assert "2 files not listed in the README.md are not read: extra.parquet, old/a1.parquet" in capsys.readouterr().out
    assert ids(tmp_path / "extra.parquet") == ids(tmp_path / "ext*.parquet") == ["extra"]  # named all the same
    card(tmp_path, TWO.replace("data/", "gone/"))
    with pytest.raises(PoolError, match="README.md lists none of the 4 parquet files there, such as data/a1"):
        ids(tmp_path)


@pytest.mark.parametrize(
    "text",
    [
        "- config_name: default\n  data_files:\n - split: train\n",
        "- config_name: 'default\n",
        "  default: data/a*\n",
        "- default\n",
        "- config_name: default\n  data_files:\n  - split: train\n    paths: a*\n",
        "- config_name: default\n  data_files: 3\n",
        "- config_name: default\n  data_files: {train: a*}\n",
    ],
)
def test_a_card_that_can_not_be_read_is_refused(tmp_path, text):
    parquet(tmp_path / "a.parquet", "a")
    card(tmp_path, text)
    with pytest.raises(PoolError, match="README.md: can't read the files of each split from its front matter .*repair"):
        ids(tmp_path)
    (tmp_path / "README.md").write_text("---\ntitle: 'not closed\n---\n")  # it says nothing of files
    assert ids(tmp_path) == ["a"]
    (tmp_path / "README.md").write_bytes(b"---\ntitle: caf\xe9\nconfigs:\n- config_name: d\n  data_files: a.*\n---\n")
    assert ids(tmp_path) == ["a"]


def test_a_config_s_folder_is_read_whole(tmp_path):
    for name in ("en/a/train-00000-of-00001", "en/b/train-00000-of-00001", "de/train-00000-of-00001"):
        parquet(tmp_path / f"{name}.parquet", name)
    card(tmp_path, "- {config_name: en, data_dir: en}\n")
    assert ids(tmp_path) == ["en/a/train-00000-of-00001", "en/b/train-00000-of-00001"]


@pytest.mark.parametrize("pattern", ["*.parquet", "*-of-*.parquet", "t*.parquet"])
def test_a_pattern_joins_no_splits(tmp_path, pattern):
    parquet(tmp_path / "train-00000-of-00001.parquet", "a")
    parquet(tmp_path / "test-00000-of-00001.parquet", "b")
    with pytest.raises(PoolError, match=rf"holds the splits test, train; .* such as {tmp_path}/train-\*.parquet"):
        ids(tmp_path / pattern)
    assert ids(tmp_path / "tr*.parquet") == ["a"]


def test_the_card_says_what_a_pattern_names(tmp_path):
    for name in ("a1", "a2", "b1", "c"):
        parquet(tmp_path / f"data/{name}.parquet", name)
    card(tmp_path, TWO)
    assert ids(tmp_path / "data/a*.parquet") == ["a1", "a2"] and ids(tmp_path / "data/c*.parquet") == ["c"]
    for pattern in ("*.parquet", "[ac]*.parquet"):
        with pytest.raises(PoolError, match=rf"holds the splits .* such as {tmp_path}/data/a\*.parquet"):
            ids(tmp_path / "data" / pattern)


def test_shards_may_have_any_number_of_digits(tmp_path):
    for i in (0, 2):
        parquet(tmp_path / f"train-{i:06d}-of-000003.parquet", f"r{i}")
    with pytest.raises(PoolError, match="train-000001-of-000003 is missing, 1 of 3 files"):
        ids(tmp_path)
    parquet(tmp_path / "train-000001-of-000003.parquet", "r1")
    assert ids(tmp_path) == ids(tmp_path / "train-*.parquet") == ["r0", "r1", "r2"]


def test_folders_that_are_links_are_read(tmp_path):
    parquet(tmp_path / "far/deep/train-00000-of-00002.parquet", "a")
    parquet(tmp_path / "far/train-00001-of-00002.parquet", "b")
    shutil.copy(tmp_path / "far/train-00001-of-00002.parquet", tmp_path / "far/deep")
    (tmp_path / "set").mkdir()
    (tmp_path / "set/data").symlink_to(tmp_path / "far/deep")
    (tmp_path / "far/deep/round").symlink_to(tmp_path / "far/deep")  # a circle
    assert ids(tmp_path / "set") == ["a", "b"]
    (tmp_path / "set/test").symlink_to(tmp_path / "far/deep")
    with pytest.raises(PoolError, match="holds the splits"):
        ids(tmp_path / "set")


def test_the_case_of_an_ending_does_not_matter(tmp_path):
    parquet(tmp_path / "set/TRAIN-00000-of-00001.PARQUET", "a")
    assert (
        ids(tmp_path / "set") == ids(tmp_path / "set/TRAIN-00000-of-00001.PARQUET") == ids(tmp_path / "set/*.PARQUET")
    )


def test_a_column_that_is_there_twice_is_refused(tmp_path):
    talk = [[{"from": "human", "value": "q"}, {"from": "gpt", "value": "a"}]]
    table = pa.table([["a"], talk, ["x.png"], ["y.png"]], names=["id", "conversations", "image", "image"])
    pq.write_table(table, tmp_path / "pool.parquet")
    with pytest.raises(PoolError, match="column image occurs twice"):
        ids(tmp_path / "pool.parquet")
