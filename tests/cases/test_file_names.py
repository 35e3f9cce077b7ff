"""What the names of parquet files say: splits that are not to be read together, parts that are not there."""

import re

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from cadc.data.reader import PoolError, read_pool
from cadc.data.split_names import split_word


def files(folder, *names):
    talk = [{"from": "human", "value": "q"}, {"from": "gpt", "value": "a"}]
    for name in names:
        path = folder / f"{name}.parquet"
        path.parent.mkdir(parents=True, exist_ok=True)
        pq.write_table(pa.Table.from_pylist([{"id": name, "conversations": talk}]), path)


def ids(path):
    return read_pool(path, None)[0]["id"].to_pylist()


SPLITS = [
    (["trainset", "testset"], "test, train"),
    (["TrainSplit", "ValSplit"], "train, validation"),
    (["LLaVATrain", "LLaVATest"], "test, train"),
    (["part1", "testmini"], "part1, testmini"),
    (["part1", "tests"], "part1, test"),
    (["part1", "part2", "devset"], "validation, part1, part2"),
    (["a", "valset"], "a, validation"),
    (["a", "b_unseen"], "a, unseen"),
    (["a", "benchmark"], "a, benchmark"),
    (["traindata", "evaldata"], "test, train"),
    (["mytrain", "mytest"], "test, train"),
    (["cocotrain2014", "cocoval2014"], "train, val"),
    (["eval_train", "eval_test"], "test, test-train"),
    (["training-data/a_train", "training-data/a_test"], "training-data/test, default/train"),
    (["x/0-of-1-train", "x/0-of-1-test"], "test, train"),
    (["testset/0000", "trainset/0000"], "test, train"),
]


@pytest.mark.parametrize("names, said", SPLITS, ids=str)
def test_splits_of_one_folder_are_not_read_together(tmp_path, names, said):
    files(tmp_path, *names)
    with pytest.raises(PoolError, match=f"holds the splits {said}; set data.annotations to the files of one, such as "):
        ids(tmp_path)
    with pytest.raises(PoolError, match="holds the splits"):
        ids(tmp_path / "**/*.parquet")


@pytest.mark.parametrize(
    "names",
    [
        ["part1", "part2"],
        ["a", "b"],
        ["contest", "latest", "greatest"],
        ["device", "value", "valley", "testimony"],
        ["coco", "retrieval", "interval"],
        ["trains", "planes"],
        ["train_a", "train_b"],
        ["coco/x", "gqa/x"],
        ["train1", "trainset2", "training_3"],
        ["en", "tr", "te"],
    ],
    ids=str,
)
def test_parts_of_one_table_are_read(tmp_path, names):
    files(tmp_path, *names)
    assert sorted(ids(tmp_path)) == sorted(names)


def test_what_the_message_names_is_not_what_is_held_out(tmp_path):
    files(tmp_path, "benchmark", "devset", "part1", "tests")
    with pytest.raises(PoolError, match="such as .*/part1.parquet"):
        ids(tmp_path)
    words = {"testSet": "test", "valMini": "valmini", "held_outs": "heldout", "train_val": "trainval", "attest": None}
    assert {name: split_word(name) for name in words} == words


COUNTED = [
    ("train_00000_of_00002", "train_00001_of_00002"),
    ("train.00000-of-00002", "train.00001-of-00002"),
    ("train-00000-of-00002.snappy", "train-00001-of-00002"),
    ("train-00001-of-00002.zstd", r"train-00000-of-00002 is missing, 1 of 2 files \(if numbered from 0\)"),
    ("train_0_of_2", "train_1_of_2"),
    ("train 1 of 2", "train 0 of 2"),
    ("part1of3", "part0of3, part2of3 are missing, 2 of 3"),
    ("default/train/0000-of-0002", "0001-of-0002"),
    ("part-00000-of-00002-c000.gz", "part-00001-of-00002"),
    ("train (1 of 3)", r"train \(2 of 3|train \(0 of 3"),
    ("train [2-of-2]", "train .1-of-2"),
    ("train-9-of-9", "train-1-of-9, train-2-of-9, train-3-of-9... are missing, 8 of 9"),
]


@pytest.mark.parametrize("name, lacking", COUNTED)
def test_a_name_that_says_how_many_there_are_is_believed(tmp_path, name, lacking):
    files(tmp_path, name)
    with pytest.raises(PoolError, match=f"{lacking}.*; fetch it again"):
        ids(tmp_path)


WHOLE = [
    ["train-00001-of-00002", "train-00002-of-00002"],
    ["train-9-of-10", *(f"train-{i}-of-10" for i in (10, 1, 2, 3, 4, 5, 6, 7, 8))],
    ["train-00000-of-00002-0a1b2c3d", "train-00001-of-00002-ffff0000"],
    ["train_0_of_1"],
    ["train (1 of 2)", "train (2 of 2)"],
]


@pytest.mark.parametrize("names", WHOLE, ids=str)
def test_a_whole_set_is_read_counted_from_0_or_1(tmp_path, names, capsys):
    files(tmp_path, *names)
    assert sorted(ids(tmp_path)) == sorted(names)
    assert "to be missing" not in capsys.readouterr().out


def test_a_part_that_is_there_twice_and_one_too_many_are_refused(tmp_path):
    files(tmp_path / "a", "train-00000-of-00002-ab12", "train-00000-of-00002-ef12", "train-00001-of-00002-cd34")
    with pytest.raises(
        PoolError, match="ab12.parquet and train-00000-of-00002-ef12.parquet are the same part of a set"
    ):
        ids(tmp_path / "a")
    files(tmp_path / "c", "train-0-of-1", "train-0-of-1 (1)")
    with pytest.raises(PoolError, match="are the same part of a set"):
        ids(tmp_path / "c")
    files(tmp_path / "b", "train-0-of-2", "train-1-of-2", "train-2-of-2")
    with pytest.raises(PoolError, match=r"3 files match train-\*-of-2, more than the names state"):
        ids(tmp_path / "b")


GAPS = [
    (["default/train/0000", "default/train/0002"], "train: 0001.parquet seems to be missing, 1 in all"),
    (["default/train/0001"], "0000.parquet seems to be missing"),
    (["part-00001-c000.snappy"], r"part-00000-.*snappy.parquet seems to be missing"),
    (["train-00000", "train-00002"], "train-00001.parquet seems to be missing"),
    (["0", "1", "3"], "2.parquet seems to be missing"),
    (["part1", "part2", "part5"], "part3.parquet, part4.parquet seem to be missing, 2 in all"),
    (
        [f"part-{i:05d}-8d3c40c1-7ae4-4b1e-9e1c-0123456789ab-c000.snappy" for i in (0, 2)],
        r"part-00001-\*-\*.snappy.parquet seems to be missing",
    ),
    ([f"part-{i:05d}-1234-c000.snappy" for i in (1, 2)], "part-00000-1234-"),
    (["chunk_000/x", "chunk_002/x"], "chunk_001/ seems to be missing"),
    (["train2017_000", "train2017_002"], "train2017_001.parquet seems to be missing"),
    (["default/partial-train/0000"], "partial-train: the hub converted only the first part of this split"),
]


@pytest.mark.parametrize("names, said", GAPS, ids=str)
def test_a_gap_in_numbers_is_said(tmp_path, names, said, capsys):
    files(tmp_path, *names)
    assert sorted(ids(tmp_path)) == sorted(names)
    assert re.search(said, capsys.readouterr().out)


@pytest.mark.parametrize(
    "names",
    [
        ["train-00000", "train-00001"],
        ["part1", "part2"],
        ["train2014", "train2017"],
        ["llava_558k", "llava_665k"],
        ["mix_v1.5", "mix_v1.6"],
        ["llava_1k", "llava_10k", "llava_100k"],
        ["2024-01-05", "2024-01-07"],
        ["000000391895", "000000522418"],
        ["a1b2c3", "a1b2c5"],
    ],
    ids=str,
)
def test_numbers_without_a_gap_and_those_that_count_nothing_say_nothing(tmp_path, names, capsys):
    files(tmp_path, *names)
    assert sorted(ids(tmp_path)) == sorted(names)
    assert "to be missing" not in capsys.readouterr().out


def test_patterns_of_names(tmp_path, capsys):
    files(tmp_path / "d [1]", *(f"en/train-0000{i}-of-00003" for i in range(3)), "en/test-00000-of-00001")
    root = tmp_path / "d [1]"
    for pattern in (
        "en/train-0000?-of-00003.parquet",
        "*/train-*.parquet",
        "en/train-*",
        "**/train-*",
        "e[nm]/tr*.parquet",
    ):
        assert len(ids(root / pattern)) == 3
    assert "larger set" not in capsys.readouterr().out
    assert len(ids(root / "en/train-0000[01]-*.parquet")) == 2
    assert "matches 2 files of a larger set; not read: train-00002-of-00003.parquet" in capsys.readouterr().out
    for pattern in ("en/x-*.parquet", "*.json", "fr/?.parquet"):
        with pytest.raises(PoolError, match=r"no parquet file matches.*\* any text"):
            ids(root / pattern)
    (root / "en/train-00001-of-00003.parquet").unlink()
    with pytest.raises(PoolError, match="train-00001-of-00003 is missing"):
        ids(root / "en/train-0000?-*.parquet")
    files(root, "de/train-00000-of-00001")
    with pytest.raises(PoolError, match="holds the splits de/train, en/train"):
        ids(root / "*/train-*.parquet")
