"""What `cadc curate` writes: looked at first, whole, and in the place of nothing that somebody needs."""

import json

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from cadc.artifacts import write_json
from cadc.cli import curate, outputs, selections
from cadc.cli.__main__ import main, parser
from cadc.config.errors import InputError


def check(tmp_path, out, form="llava", read=()):
    outputs.check(tmp_path / out, form, {path.resolve() for path in read}, tmp_path / "work")


def export_of(tmp_path, name="random", ids=("a", "b"), paths="relative", pictures=()):
    """An export of `curate`'s stages, of rows `ids`."""
    export = tmp_path / f"work/artifacts/export/{name}/s0"
    (export / "llama_factory").mkdir(parents=True, exist_ok=True)
    made = {"arm": name, "seed": 0, "parameters": {}, "different_rows": len(ids), "by_source": {"vqa": len(ids)}}
    made |= {"pool": {"rows": 40, "sha256": "0"}, "images": {"paths": paths, "relative_to": "."}}
    write_json(export / "manifest.json", made)
    pq.write_table(pa.table({"id": list(ids)}), export / "why.parquet")
    for file in ("llava.json", "llama_factory/data.json"):
        write_json(export / file, [{"id": each} for each in ids])
    (export / "ids.txt").write_text("\n".join(ids))
    write_json(export / "llama_factory/dataset_info.json", {f"{name}_s0": {"file_name": "data.json"}})
    for picture in pictures:
        path = export / "images" / picture
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"ours")
    return export


def test_nothing_that_is_read_or_somebody_else_s_is_written_over(tmp_path):
    for out, read in (
        ("rows.json", "rows.json"),
        ("rows.json", "rows.why.parquet"),
        ("rows.json", "rows.manifest.json"),
    ):
        with pytest.raises(InputError, match="would overwrite an input file"):
            check(tmp_path, out, read=[tmp_path / read])
    for number, name in enumerate(("theirs.json", "theirs.manifest.json", "theirs.why.parquet")):
        folder = tmp_path / str(number)
        folder.mkdir()
        (folder / name).write_text("[]")
        with pytest.raises(InputError, match=f"{name} was not written by `cadc curate`"):
            check(folder, "theirs.json")
    (tmp_path / "ours.json").write_text("[]")
    write_json(tmp_path / "ours.manifest.json", {"pool": {"sha256": "0"}, "method": "random", "by_source": {}})
    check(tmp_path, "ours.json")


def test_a_place_where_nothing_can_be_written_is_said_first(tmp_path):
    (tmp_path / "file").write_text("")
    (tmp_path / "rows.why.parquet").mkdir()
    for out, said in (
        ("", "a folder"),
        ("rows.json", "rows.why.parquet is a folder"),
        ("file/rows.json", r"can't write there \(not a"),
        ("work/rows.json", "inside the project folder"),
        ("x" * 300 + ".json", "name too long"),
    ):
        with pytest.raises(InputError, match=f"(?i){said}"):
            check(tmp_path, out)
    check(tmp_path, "new/folder/a.b.json")
    assert not (tmp_path / "new").exists()


@pytest.mark.parametrize(
    ("form", "right", "wrong"),
    [("llava", "a.json", "a.jsonl"), ("ms_swift", "a.jsonl", "a.json"), ("trl", "a.parquet", "a.json"),
     ("axolotl", "a.jsonl", "a.v2"), ("llama_factory", "a.b.json", "a"), ("ids", "a.txt", ".txt")],
)  # fmt: skip
def test_a_file_s_ending_is_its_format_s(tmp_path, form, right, wrong):
    check(tmp_path, right, form)
    with pytest.raises(InputError, match=rf"--format {form} needs the extension \.\w+; give --out .*{wrong}\.\w+$"):
        check(tmp_path, wrong, form)


def test_a_data_set_is_entered_by_its_file_s_name_beside_those_that_are_there(tmp_path):
    theirs, out = tmp_path / "out/dataset_info.json", tmp_path / "out/subset.json"
    theirs.parent.mkdir()
    write_json(theirs, {"theirs": {"file_name": "theirs.json"}, "other": {"hf_hub_url": "some/one"}})
    outputs.deliver(export_of(tmp_path), out, "llama_factory", {})
    outputs.deliver(export_of(tmp_path, ids="xyz"), out.with_name("larger.json"), "llama_factory", {})
    there = json.loads(theirs.read_text())
    assert {name: entry.get("file_name") for name, entry in there.items()} == {
        "theirs": "theirs.json",
        "other": None,
        "subset": "subset.json",
        "larger": "larger.json",
    }
    with pytest.raises(InputError, match="another data set named other"):
        check(tmp_path, "out/other.json", "llama_factory")
    for text, said in (("{", "can't be read"), ("[]", "is not a JSON object")):
        theirs.write_text(text)
        with pytest.raises(InputError, match=said):
            check(tmp_path, "out/new.json", "llama_factory")


def test_what_is_said_of_one_selection_is_not_replaced_by_another_s(tmp_path):
    export, out = export_of(tmp_path), tmp_path / "s.json"
    outputs.deliver(export, out, "llava", {"commit": "0"})
    assert outputs.deliver(export, tmp_path / "s.txt", "ids", {})["files"] == ["s.json", "s.txt"]
    export_of(tmp_path, ids="xyz")
    with pytest.raises(InputError, match=r"s.why.parquet explains the rows of s.txt, a different selection"):
        outputs.deliver(export, out, "llava", {})
    assert len(json.loads(out.read_text())) == 2
    (tmp_path / "s.txt").unlink()
    assert outputs.deliver(export, out, "llava", {})["files"] == ["s.json"]
    assert len(json.loads(out.read_text())) == 3 and not list(tmp_path.glob(".*"))


def test_pictures_go_beside_a_file_that_names_them_and_replace_no_others(tmp_path):
    export = export_of(tmp_path, pictures=["a/1.png", "2.png"])
    outputs.deliver(export, tmp_path / "ids/s.txt", "ids", {})
    assert not (tmp_path / "ids/images").exists()
    (tmp_path / "images").mkdir()
    (tmp_path / "images/2.png").write_bytes(b"theirs")
    with pytest.raises(InputError, match="images/2.png: exists and is a different image"):
        outputs.deliver(export, tmp_path / "s.json", "llava", {})
    assert not (tmp_path / "s.json").exists() and not (tmp_path / "images/a").exists()
    for _ in range(2):
        outputs.deliver(export, tmp_path / "new/s.json", "llava", {})
    assert (tmp_path / "new/images/a/1.png").read_bytes() == b"ours"


def test_absolute_paths_are_not_of_the_project_whose_next_run_replaces_them(tmp_path):
    with pytest.raises(InputError, match="--paths absolute: 1 images come from a table"):
        outputs.deliver(export_of(tmp_path, paths="absolute", pictures=["1.png"]), tmp_path / "s.json", "llava", {})
    outputs.deliver(export_of(tmp_path, "el2n", paths="absolute"), tmp_path / "s.json", "llava", {})


def test_a_budget_in_rows_that_is_not_met_is_said(tmp_path, capsys):
    asked = ["curate", str(tmp_path / "d.json"), "--model", "mini", "--method", "random", "--budget", "10"]
    given = parser().parse_args([*asked, "--out", str(tmp_path / "s.json"), "--work", str(tmp_path / "work")])
    for name, seconds in (("pool", 3), ("export@random", 4), ("proxy@default", 50)):
        write_json(tmp_path / f"work/artifacts/costs/{name}.json", {"cpu_seconds": seconds})
    manifest = json.loads((export_of(tmp_path) / "manifest.json").read_text())
    curate.tell(given, manifest | {"pool": {"rows": 35}}, 0.25, 40, ["prepare", "pool", "export@random"])
    said = capsys.readouterr().out
    assert "has 40 rows but the pool has 35. The budget is 25% of the pool: 9 rows instead of 10." in said
    assert f"Image paths are relative to {tmp_path}." in said
    assert "The 3 stages took 7 CPU seconds" in said  # not what another method took
    curate.tell(given, manifest, 0.25, 40, [])
    assert "the pool" not in capsys.readouterr().out


def test_an_explained_row_is_shown_as_it_stands_in_the_file_though_ids_repeat(tmp_path, capsys):
    ids, said = ("7#2", "7", "8"), ("second", "first", "eight")
    rows = [{"id": each, "chosen": each != "8", "rank": k if each != "8" else None} for k, each in enumerate(ids)]
    pq.write_table(pa.Table.from_pylist(rows), tmp_path / "s.why.parquet")
    write_json(tmp_path / "s.manifest.json", {"method": "random", "pool": {"sha256": "x"}, "by_source": {}})
    records = [{"id": 7, "conversations": [{"from": "gpt", "value": text}]} for text in said[:2]]
    write_json(tmp_path / "s.json", records)
    for name, text in (("7#2", "second"), ("7", "first")):
        selections.explain(name, [tmp_path / "s.json"])
        assert f"  gpt: {text}\n" in capsys.readouterr().out
    selections.explain("8", [tmp_path / "s.json"])
    assert "gpt" not in capsys.readouterr().out
    for name in ("s.json", "s.manifest.json", "s.why.parquet"):
        (tmp_path / name).write_text("[ {" if name == "s.json" else "{")
        assert main(["explain", "7", str(tmp_path / "s.json")]) == 1
        assert f"{name}: can't be read" in capsys.readouterr().err


def test_two_selections_are_compared(tmp_path, capsys):
    for name, ids in (("a", "pqr"), ("b", "qs")):
        rows = [
            {"id": each, "chosen": True, "rank": k, "score": None, "capability": k if name == "a" else None}
            for k, each in enumerate(ids)
        ]
        turns = [{"from": "human", "value": "Who?"}, {"from": "gpt", "value": f"{name}."}]
        write_json(tmp_path / f"{name}.json", [{"id": each, "conversations": turns} for each in ids])
        rows.append({"id": "next", "chosen": False, "rank": None, "score": 0.5})
        pq.write_table(pa.Table.from_pylist(rows), tmp_path / f"{name}.why.parquet")
        made = {"pool": {"sha256": "0"}, "method": "el2n", "by_source": {"vqa": len(ids)}}
        write_json(tmp_path / f"{name}.manifest.json", made)
    first, second = tmp_path / "a.json", tmp_path / "b.json"
    selections.compare(first, second)
    said = capsys.readouterr().out
    assert (
        "in both: 1 rows" in said
        and f"only in {first}: 2 rows: p, r\n" in said
        and f"only in {second}: 1 rows: s\n" in said
    )
    assert f"source vqa: 3 rows in {first}, 2 in {second}\n" in said
    assert f"by capability in {first}: 1 of 0, 1 of 1, 1 of 2\n" in said
    assert f"by capability in {second}: unknown" in said
    selections.explain("p", [first])
    assert "selected, position 0 in training, by el2n\n  human: Who?\n  gpt: a.\n" in capsys.readouterr().out
    selections.explain("next", [first])
    assert "not selected, but among the next rows, by el2n\n  score: 0.5\n" in capsys.readouterr().out
    with pytest.raises(InputError, match="gone.why.parquet: no such file"):
        selections.explain("p", [tmp_path / "gone.json"])
    selections.explain("t", [first])
    assert "row t is neither selected nor among the next rows" in capsys.readouterr().out
