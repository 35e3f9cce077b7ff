"""Exported rows: what was read comes out as it was, in training order, and what was written is what is read back."""

import io
import json

import numpy as np
import pyarrow.parquet as pq
import pytest
from exported import ROWS, Exported, pictures, said
from made_rows import talk
from PIL import Image

from cadc.artifacts import Selection
from cadc.config.errors import InputError
from cadc.config.evaluation import Export
from cadc.data.lineage import Change, apply_lineage
from cadc.data.reader import read_pool
from cadc.export.files import write_files
from cadc.export.formats import WRITERS, parts
from cadc.export.pictures import Pictures
from cadc.export.records import chosen_rows
from cadc.world.mini_world import write_pool

ORDER = [2, 0, 3, 1]


@pytest.fixture
def folder(tmp_path):
    return pictures(tmp_path)


def png(colour="red"):
    file = io.BytesIO()
    Image.new("RGB", (16, 16), colour).save(file, "PNG")
    return file.getvalue()


def test_every_format_that_may_be_asked_for_is_written():
    asked = Export.model_fields["formats"].annotation.__args__[0].__args__
    assert set(asked) == set(WRITERS)


@pytest.mark.parametrize("form", ["json", "jsonl"])
def test_records_come_out_as_they_were_read_and_are_read_back_as_the_selection(params, folder, form):
    made = Exported(params, folder, ROWS, ORDER, form)
    assert made.llava == [ROWS[row] for row in ORDER] and made.root == "data.images"
    assert [list(record) for record in made.llava] == [list(ROWS[row]) for row in ORDER]
    text = (made.out / "llava.json").read_text()
    assert "räksmörgås 猫" in text and "\U0001f600" in text and r"\ud83d" in text
    assert said(made.read_back(folder / "images")) == said(made.pool.take(ORDER))
    assert (made.out / "ids.txt").read_text() == "two\n7\nhalf\ntext\n"


def test_a_row_that_is_replayed_stands_there_again(params, folder):
    made = Exported(params, folder, ROWS, [1, 0, 1])
    assert made.llava == [ROWS[1], ROWS[0], ROWS[1]]
    assert len((made.out / "ms_swift.jsonl").read_bytes().splitlines()) == 3


def test_repeated_ids_are_the_pool_s_but_in_the_row_s_own_record(params, folder):
    rows = [ROWS[0], ROWS[0] | {"conversations": talk("<image>\nagain", "two")}, ROWS[1], ROWS[0] | {"score": 3}]
    made = Exported(params, folder, rows, [3, 1, 2], repeated_ids="number")
    assert made.llava == [rows[3], rows[1], rows[2]]
    assert (made.out / "ids.txt").read_text().split() == ["7#3", "7#2", "text"]
    back, own = said(made.read_back(folder / "images")), said(made.pool.take([3, 1, 2]))
    assert [row[1:] for row in back] == [row[1:] for row in own]


def test_a_rewritten_answer_is_the_only_change(params, folder):
    twice = ROWS[2] | {"conversations": [*ROWS[2]["conversations"][:3], {"from": "gpt", "value": "so", "text": "so"}]}
    rows = [ROWS[0], ROWS[1], twice, ROWS[3]]
    change = Change("two", 1, "rewrite", before=("b", "so"), after=("b", "nej så"), reason="x")
    made = Exported(params, folder, rows, ORDER, pool=lambda pool: apply_lineage(pool, pool.slice(0, 0), [change]))
    wanted = json.loads(json.dumps(twice))
    wanted["conversations"][3] |= {"value": "nej så", "text": "nej så"}
    assert made.llava == [wanted, *(rows[row] for row in ORDER[1:])]
    assert made.read_back(folder / "images")["turns"][0].as_py()[-1]["text"] == "nej så"


@pytest.mark.parametrize("embedded", [True, False])
def test_rows_that_a_lineage_adds_have_a_record_of_what_the_pool_has(params, folder, embedded):
    """A further copy of a row shows the same file; a drop shifts the rows behind it."""
    changes = [Change("7", 1, "drop", reason="x"), Change("copy", 1, "add", source="half", reason="x")]
    made = Exported(
        params,
        folder,
        ROWS,
        [3, 2],
        embed_images=embedded,
        pool=lambda pool: apply_lineage(pool, pool.slice(0, 0), changes),
    )
    copy = {"id": "copy", "source": "images", "image": "b c.jpg", "conversations": ROWS[3]["conversations"]}
    assert made.llava == [copy, ROWS[3]]


def test_a_table_s_cells_without_a_value_are_no_fields_and_its_pictures_become_files(params, folder):
    image = {"bytes": png(), "path": "../../a.png"}
    rows = [
        {"id": "a", "image": image, "conversations": talk("<image> ?", "red"), "size": 3},
        {"id": "b", "conversations": talk("hi", "yes")},
        {"id": "c", "image": {"bytes": png("blue"), "path": "../../a.png"}, "conversations": talk("<image>", "blue")},
    ]
    rows = [{"image": None, "size": None} | row for row in rows]
    made = Exported(params, folder, rows, [2, 1, 0], "parquet")
    assert made.root == "." and made.llava[1] == {"id": "b", "conversations": talk("hi", "yes")}
    assert list(made.llava[2]) == ["image", "size", "id", "conversations"] and made.llava[2]["size"] == 3
    names = [record.get("image") for record in made.llava]
    assert names[0] != names[2] and all((made.out / name).parent == made.out / "images" for name in names if name)
    assert (made.out / names[2]).read_bytes() == image["bytes"]
    assert said(made.read_back(made.out)) == said(made.pool.take([2, 1, 0]))


def test_a_table_s_numbers_that_json_has_not_are_left_out_or_texts(params, folder):
    cells = [
        {"size": float("nan"), "more": {"x": float("nan"), "y": [1.5, -float("inf")]}},
        {"size": 2.5, "more": None},
    ]
    rows = [{"id": name, "conversations": talk("hi", "yes")} | own for name, own in zip("ab", cells, strict=True)]
    made = Exported(params, folder, rows, [0, 1], "parquet")
    text = (made.out / "llava.json").read_text()
    first, second = json.loads(text, parse_constant=lambda name: pytest.fail(f"{name} is no JSON"))
    assert "size" not in first and first["more"] == {"x": None, "y": [1.5, "-inf"]} and second["size"] == 2.5


def test_paths_may_be_absolute(params, folder):
    made = Exported(params, folder, ROWS, ORDER, images="absolute")
    whole = [str((folder / "images").resolve() / name) for name in ("coco/a.png", "b c.jpg")]
    assert made.root is None and made.llava[0] == ROWS[2] | {"images": whole}
    assert made.llava[1] == ROWS[0] | {"image": whole[0]} and made.llava[3] == ROWS[1]
    assert said(made.read_back(folder / "images")) == said(made.pool.take(ORDER))


@pytest.mark.parametrize("embedded", [True, False])
def test_pictures_may_be_copied_with_the_same_bytes(params, folder, embedded):
    rows = [*ROWS, ROWS[0] | {"id": "x", "image": str(folder / "images/coco/../coco/a.png")}]
    made = Exported(params, folder, rows, [4, *ORDER], images="copied", embed_images=embedded)
    assert made.root == "." and made.llava[0]["image"] == made.llava[2]["image"] == "images/coco/a.png"
    assert made.llava[1] == ROWS[2] | {"images": ["images/coco/a.png", "images/b c.jpg"]}
    for name in ("coco/a.png", "b c.jpg"):
        assert (made.out / "images" / name).read_bytes() == (folder / "images" / name).read_bytes()
    assert len([path for path in (made.out / "images").rglob("*") if path.is_file()]) == 2
    (folder / "images").rename(folder / "away")
    back = read_pool(made.out / "llava.json", made.out)[0]
    assert [row["turns"] for row in back.to_pylist()] == [
        row["turns"] for row in made.pool.take([4, *ORDER]).to_pylist()
    ]


def test_relative_paths_have_one_root(params, folder):
    """A picture that is no file of the folder can't be named beside one that is."""
    held = {"id": "held", "image": {"bytes": png(), "path": None}, "conversations": talk("<image>", "x")}
    named = {"id": "named", "image": {"bytes": None, "path": "coco/a.png"}, "conversations": talk("<image>", "x")}
    with pytest.raises(InputError, match=r"row 'held' shows an image that is not a file .* set export.images: copied"):
        Exported(params, folder, [held, named], [0, 1], "parquet")
    alone = Exported(params, folder, [held, named], [1], "parquet")
    assert alone.llava == [named | {"image": "coco/a.png"}]
    made = Exported(params, folder, [held, named], [0, 1], "parquet", images="copied")
    assert made.llava[1]["image"] == "images/coco/a.png"
    assert said(made.read_back(made.out)) == said(made.pool)


def test_as_llava_reads_them_records_stay_whole_and_other_formats_have_the_pool_s_turns(params, folder):
    begun = [{"from": "gpt", "value": "hello"}, *talk("<image> a <image>", "b")]
    rows = [ROWS[1], ROWS[0] | {"conversations": begun}, ROWS[3] | {"conversations": talk("unseen", "", "c", "d")}]
    made = Exported(params, folder, rows, [2, 1], on_bad_row="llava")
    assert made.llava == [rows[2], rows[1]]
    swift = [json.loads(line) for line in (made.out / "ms_swift.jsonl").read_text().splitlines()]
    assert [row["images"] for row in swift] == [[], ["coco/a.png"]]
    assert [message["content"] for message in swift[1]["messages"]] == ["<image> a ", "b"]
    assert said(made.read_back(folder / "images")) == said(made.pool.take([2, 1]))
    copied = Exported(params, folder, rows, [2, 1], images="copied", on_bad_row="llava")
    assert copied.llava[0] == rows[2] | {"image": "images/b c.jpg"} and (copied.out / "images/b c.jpg").is_file()


def test_the_embedded_world_is_read_back_as_its_rows(params, world, tmp_path):
    write_pool(tmp_path / "world", world, np.random.default_rng(3))
    pool = read_pool(tmp_path / "world/pool.json", tmp_path / "world/images")[0]
    order, out = [5, 3, 200, 17], tmp_path / "out"
    chosen = chosen_rows(pool, np.array(order), params)
    assert write_files(out, Selection.of_rows(order), chosen, None, ["llava"], "relative", "x") == "."
    back = read_pool(out / "llava.json", out)[0]
    assert said(back) == said(pool.take(order)) and back["source"].to_pylist() == pool.take(order)["source"].to_pylist()


def test_a_mark_becomes_a_picture_in_place_and_other_text_stays_as_it_is():
    def of(text, n):
        return [part.get("text", part["type"]) for part in parts({"role": "user", "text": text}, n)]

    assert of("<image>\n what ? \n", 1) == ["image", "what ? \n"]
    assert of(" a <image> b <image>", 2) == [" a", "image", "b", "image"]
    assert of(" a <image> b <image>", 1) == [" a", "image", "b <image>"]
    assert of(" an <image> tag ", 0) == [" an <image> tag "]
    assert of("", 1) == [""]


def test_the_same_picture_is_written_once(tmp_path, params, folder):
    made = Exported(params, folder, ROWS, ORDER)
    kept = Pictures(tmp_path / "x", folder / "images", "copied")
    before = kept.paths(made.chosen[0])
    (tmp_path / "x" / before[0]).unlink()
    assert kept.paths(made.chosen[2])[0] == before[0] and not (tmp_path / "x" / before[0]).exists()


def test_two_exports_are_the_same_bytes(params, folder, tmp_path):
    def files(name):
        made = Exported(params, pictures(tmp_path / name), ROWS, ORDER)
        return {str(path.relative_to(made.out)): path.read_bytes() for path in made.out.rglob("*") if path.is_file()}

    first = files("first")
    assert first == files("second") and len(first) == 7
    assert pq.read_metadata(tmp_path / "first/out/trl.parquet").num_rows == 4
