"""Files as people have them: folders as the hub leaves them, tables as spreadsheets and pandas write them."""

import csv
import io
import json
import shutil

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from PIL import Image

from cadc.config.errors import InputError
from cadc.data.checks import Checker
from cadc.data.hub_layout import POPE_COLUMNS, parquet_splits, split_files, write_card, write_split
from cadc.data.own_questions import read_choice, read_yesno, write_own
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
    "configs": (["en/train-00000-of-00001", "de/train-00000-of-00001"], None, "de/train, en/train"),
    "own names": (["coco-00000-of-00001", "gqa-00000-of-00001"], None, "coco, gqa"),
    "by its card": (
        ["a/x", "a/y"],
        "- config_name: default\n  data_files:\n"
        "  - split: train\n    path: a/x*\n  - split: extra\n    path: [a/y.parquet]\n",
        "train, extra",
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
    assert "one of 3 files, and the others are not read" in capsys.readouterr().out
    parquet(tmp_path / "train-00001-of-00003.parquet", "b")
    parquet(tmp_path / "train-00000-of-00001.parquet", "old")
    with pytest.raises(PoolError, match="train is there in 1 and in 3 files: two downloads"):
        ids(tmp_path)
    with pytest.raises(PoolError, match="no file of that name"):
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


COLUMNS = ["index", "question", "A", "B", "answer", "category", "l2-category", "split", "image_path"]
COLORS = {"a": "red", "b": "blue", "c": "green", "d": "white"}


@pytest.fixture
def folder(tmp_path):
    for name, color in COLORS.items():
        Image.new("RGB", (20, 12), color).save(tmp_path / f"{name}.png")
    return tmp_path


def questions(*changes):
    rows = [[i, f"q {i} ?", "left", "right", "A", "kind", "meta", ("VAL", "TEST")[i], f"{'ab'[i]}.png"] for i in (0, 1)]
    rows = [dict(zip(COLUMNS, row, strict=True)) for row in rows]
    for row, change in zip(rows, changes, strict=False):
        row |= change
    return rows


def choice(folder, text, encoding="utf-8"):
    (folder / "mmt.tsv").write_bytes(text if isinstance(text, bytes) else text.encode(encoding))
    return read_choice(folder / "mmt.tsv", Checker(folder))


def table(rows, **how):
    return pd.DataFrame(rows).to_csv(sep="\t", index=False, **how)


@pytest.mark.parametrize("text", ["two\nlines", "a\ttab", 'says "stop"', '"Stop" where ?', "U+2028\u2028here",
                                  "a\x0bb\x0cc\x85d\x1ce", "a\r\nb", '"', "nan", "一\u3000二"])  # fmt: skip
@pytest.mark.parametrize("ends, encoding", [("\n", "utf-8"), ("\r\n", "utf-8"), ("\n", "utf-8-sig")])
def test_what_pandas_writes_is_read_as_it_was(folder, text, ends, encoding):
    made = choice(folder, table(questions({"question": text, "A": text}), lineterminator=ends), encoding)["probe"][0]
    assert (made["question"], made["A"]) == (text, text.strip())


def test_csv_s_own_writer_is_read_too(folder):
    out = io.StringIO(newline="")
    writer = csv.DictWriter(out, COLUMNS, delimiter="\t", quoting=csv.QUOTE_ALL)
    writer.writeheader()
    writer.writerows(questions({"question": "a\nb"}))
    assert choice(folder, out.getvalue())["probe"][0]["question"] == "a\nb"


HEAD = "\t".join(COLUMNS) + "\n"
REST = "left\tright\tA\tocr\tv\t{}\t{}.png\n"
TORN = {
    "a word in quotes": ('0\t"Stop" is where?\t' + REST.format("VAL", "a"), ["line 2", "quotes"]),
    "a quote that closes in the next row": (
        '0\t"Stop is where?\t' + REST.format("VAL", "a") + '1\tWhat says Go"\t' + REST.format("TEST", "b"),
        ["line 2", "tabs and line breaks", "not closed"],
    ),
    "a quote that never closes": ('0\twhat ?\t"' + REST.format("VAL", "a"), ["line 2", "quotes"]),
    "too few fields": ("0\tWhat?\tone\n", ["line 2", "index 0", "more or fewer fields", "3, not 9"]),
    "a line break without quotes": ("0\tone\ntwo\t" + REST.format("VAL", "a"), ["line 2", "more or fewer fields"]),
}


@pytest.mark.parametrize("lines, said", TORN.values(), ids=TORN)
def test_torn_rows_are_refused(folder, lines, said):
    with pytest.raises(PoolError) as error:
        choice(folder, HEAD + lines)
    assert all(part in str(error.value) for part in ["mmt.tsv", *said]), error.value


FAULTS = [
    ({"question": "<image> what ?"}, "line 2, index 0: question holds <image>"),
    ({"B": "the <image> tag"}, "line 2, index 0: B holds <image>"),
    ({"question": "\u200b"}, "question is empty"),
    ({"B": "\u200b"}, "B is empty"),
    ({"index": 1 << 31}, "index is '2147483648'"),
    ({"index": "1.0"}, "index is '1.0'"),
    ({"index": "٣"}, "index is '٣'"),
    ({"index": -1}, "index is '-1'"),
    ({"image_path": "b.png"}, r"also that of line 2 \(b.png\).*one split"),
]


@pytest.mark.parametrize("change, said", FAULTS)
def test_questions_that_would_fail_later_are_refused_when_they_are_read(folder, change, said):
    with pytest.raises(PoolError, match=said):
        choice(folder, table(questions(change)))


def test_lines_of_a_table_are_counted_where_they_begin(folder):
    with pytest.raises(PoolError, match="line 4, index 1: the answer 'Z'"):
        choice(folder, table(questions({"question": "a\nb"}, {"answer": "Z"})))
    for text, said in (("", "it is empty"), (HEAD.replace("A\t", "B\t", 1), "lacks A"), ("index\tindex\n", "lacks")):
        with pytest.raises(PoolError, match=said):
            choice(folder, text)


def yesno(folder, *rows, ends="\n", mark=""):
    rows = [{"question_id": i, "image": "a.png", "text": "Is it ?", "label": "yes"} | row for i, row in enumerate(rows)]
    text = mark + "".join(json.dumps(row, ensure_ascii=False) + ends for row in rows)
    (folder / "pope.jsonl").write_bytes(text.encode())
    return read_yesno(folder / "pope.jsonl", Checker(folder))


@pytest.mark.parametrize("ends, mark", [("\n", ""), ("\r\n", "\ufeff"), ("\n\n", "\ufeff")])
def test_lines_of_json_end_at_line_feeds_alone(folder, ends, mark):
    text = "Is\u2028there\x85a\u2029dog ?"
    made = yesno(folder, {"text": text}, {"image": "b.png", "question_id": "x"}, ends=ends, mark=mark)
    assert made["probe"][0]["question"] == text and made["score"][0]["id"] == "x"


@pytest.mark.parametrize(
    "change, said",
    [
        ({"text": "<image>\nIs it ?"}, "line 1, question_id 0: text holds <image>"),
        ({"text": "\u200b"}, "text is empty"),
        ({"text": 5}, "text is 5; write a text"),
        ({"label": True}, "label is True"),
        ({"question_id": [1]}, r"question_id is \[1\]; write a text or a number"),
        ({"category": {"a": 1}}, "category is"),
        ({"image": 3}, "image is 3; write a text"),
    ],
)
def test_yes_no_questions_that_would_fail_later_are_refused(folder, change, said):
    with pytest.raises(PoolError, match=said):
        yesno(folder, change, {"image": "b.png"})


def test_a_number_as_category_is_a_text(folder):
    assert yesno(folder, {"category": 3}, {"image": "b.png"})["probe"][0]["category"] == "3"


def same(folder):
    """Other names of a.png's picture."""
    (folder / "sub").mkdir()
    shutil.copy(folder / "a.png", folder / "sub/copy.png")
    (folder / "link.png").symlink_to(folder / "a.png")
    Image.open(folder / "a.png").save(folder / "a.bmp")
    return ["./a.png", "sub/copy.png", "link.png", "a.bmp", ".//sub/./copy.png"]


def test_one_picture_is_one_picture_whatever_it_is_called(folder):
    for name in same(folder):
        with pytest.raises(PoolError, match=r"1 image\(s\); at least two"):
            yesno(folder, {}, {"image": name})
        made = yesno(folder, {}, {"image": name}, {"image": "b.png"}, {"image": name})
        assert [len(made[part]) for part in ("probe", "score")] == [3, 1]
        with pytest.raises(PoolError, match=r"line 3, index 1: its picture, .* is also that of line 2 \(a.png\)"):
            choice(folder, table(questions({}, {"image_path": name})))


def test_a_picture_of_both_files_is_aimed_at_or_scored_in_both(folder):
    choice(folder, table(questions({"image_path": "b.png"}, {"image_path": "a.png"})))
    yesno(folder, {}, {"image": "b.png"}, {"image": "c.png"}, {"image": "d.png"})
    roots = {part: folder / part for part in ("probe", "score")}
    write_own(folder / "mmt.tsv", folder / "pope.jsonl", Checker(folder), roots)
    shown = {
        part: {row[0]["bytes"] for row in load_probe(roots[part], ["mmt_val", "pope"])[0]["images"].to_pylist()}
        for part in roots
    }
    assert not shown["probe"] & shown["score"] and len(shown["probe"] | shown["score"]) == 4
    assert (folder / "a.png").read_bytes() in shown["score"] and (folder / "b.png").read_bytes() in shown["probe"]
