"""One picture everywhere: models are aimed at, trained and scored on the same pixels, and others are shown them too."""

import io
import struct
import zlib

import numpy as np
import pytest
from made_pictures import cell, file_of, flag, grey8, ink, photo, png, seen
from PIL import Image

from cadc.cleaning.pool import picture_prints
from cadc.data.checks import Checker
from cadc.data.hub_layout import POPE_COLUMNS, split_files, write_card, write_split
from cadc.data.own_questions import write_own
from cadc.data.pictures import file_digest, open_image, shown_file
from cadc.data.probe import POPE, load_probe
from cadc.data.same_pictures import Scored
from cadc.features.embeddings import tower_embeddings
from cadc.model.encode import encode

LONG = zlib.compress(bytes(3 << 20))  # a longer text than Pillow reads
ROW = {"id": "1", "question_id": "1", "question": "q", "answer": "yes", "image_source": "a", "category": "x"}


def test_what_is_aimed_at_scored_trained_on_and_cleaned_is_one_picture(tmp_path, processor):
    """The same sideways photo in all places, and the upright picture beside it."""
    (tmp_path / "images").mkdir()
    (tmp_path / "images/side.png").write_bytes(photo(6, "PNG"))
    (tmp_path / "images/up.png").write_bytes(file_of(flag()))
    head = ["index", "question", "A", "B", "answer", "category", "l2-category", "split", "image_path"]
    (tmp_path / "images/other.png").write_bytes(file_of(flag().rotate(180)))
    roots = {"VAL": {part: tmp_path / f"aimed/{part}" for part in ("probe", "score")}}
    roots["TEST"] = {part: tmp_path / f"scored/{part}" for part in ("probe", "score")}
    for split, other in (("VAL", "TEST"), ("TEST", "VAL")):  # one after the other: together they are refused
        lines = [[split, "side.png"], [other, "other.png"]]
        lines = [[str(i), "q", "a", "b", "A", "c", "m", *ends] for i, ends in enumerate(lines)]
        (tmp_path / "mmt.tsv").write_text("\n".join("\t".join(fields) for fields in [head, *lines]))
        write_own(tmp_path / "mmt.tsv", None, Checker(tmp_path / "images"), roots[split])

    from cadc.evaluation.benchmarks import load_tasks  # late: it imports lmms-eval

    task = load_tasks(roots["TEST"]["score"], ["mmt_val"]).tasks[0]
    scored = task.doc_to_visual(next(iter(task.test_docs())))[0]
    aimed = open_image(load_probe(roots["VAL"]["probe"], ["mmt_val"])[0]["images"][0].as_py()[0])
    upright = np.asarray(flag())
    assert (np.asarray(scored) == upright).all() and (np.asarray(aimed) == upright).all()

    cells = [cell((tmp_path / f"images/{name}.png").read_bytes()) for name in ("side", "up")]
    turns = [{"role": "user", "text": "<image>\nq"}, {"role": "assistant", "text": "a"}]
    rows = [{"id": str(i), "turns": turns, "images": [image]} for i, image in enumerate(cells)]
    one, other = (encode(row, processor, 1000)["pixel_values"] for row in rows)
    assert (one == other).all()
    prints = picture_prints([[image] for image in cells])
    assert (prints["thumbnail"][0] == prints["thumbnail"][1]).all() and (prints["hash"][0] == prints["hash"][1]).all()

    class Tower:
        width, reads = 3, True
        embed_texts = staticmethod(lambda texts: np.ones((len(texts), 3), np.float32))
        embed_images = staticmethod(lambda images: np.stack([np.asarray(x, np.float32)[0, 0] for x in images]))

    embedded = tower_embeddings(Tower(), rows)["image"]
    assert (embedded[0] == embedded[1]).all()


@pytest.mark.parametrize(
    "kind, mode", [("PNG", "I;16"), ("PNG", "RGBA"), ("PNG", "LA"), ("TIFF", "F"), ("JPEG", "CMYK")]
)
def test_documents_of_a_hub_mirror_are_scored_as_they_are_trained_on(tmp_path, kind, mode):
    ramp = np.linspace(0, 1, 64 * 32).reshape(32, 64)
    image = {
        "I;16": lambda: Image.fromarray((ramp * 65535).astype(np.uint16)),
        "F": lambda: Image.fromarray(ramp.astype(np.float32)),
        "RGBA": lambda: Image.merge("RGBA", [*flag().split(), Image.fromarray((ramp * 255).astype(np.uint8))]),
        "LA": lambda: ink("LA", "white"),
        "CMYK": lambda: flag().convert("CMYK"),
    }[mode]()
    data = file_of(image, kind)
    write_split(tmp_path / POPE, "default", "test", [{**ROW, "image": cell(data)}], POPE_COLUMNS)
    write_card(tmp_path / POPE, {"default": ["test"]})

    from cadc.evaluation.benchmarks import load_tasks  # late: it imports lmms-eval

    task = load_tasks(tmp_path, ["pope"]).tasks[0]
    scored = task.doc_to_visual(next(iter(task.test_docs())))[0]
    assert (np.asarray(scored) == seen(data)).all()


def test_others_are_shown_what_models_see():
    """A judge of another make gets the file itself where that is plain, else a PNG of the same pixels."""
    for plain in (file_of(flag(), "JPEG"), file_of(flag())):
        assert shown_file(cell(plain)) == plain
    deep = file_of(Image.fromarray(grey8().astype(np.uint16) * 257))
    beside = [(b"gAMA", struct.pack(">I", 10000)), (b"tEXt", b"Author\0somebody"), (b"zTXt", b"k\0\0" + LONG)]
    texts = png(16, 8, 2, bytes([200, 100, 50] * 16), *beside)
    for data in (photo(6, "JPEG"), file_of(ink("RGBA")), deep, file_of(flag(), "TIFF"), texts):
        sent = shown_file(cell(data))
        assert sent != data and (np.asarray(Image.open(io.BytesIO(sent))) == seen(data)).all()
    assert b"somebody" not in shown_file(cell(texts))


def test_a_file_has_one_digest_wherever_it_lies(tmp_path):
    data, other = file_of(flag()), file_of(flag(), "BMP")
    (tmp_path / "x.png").write_bytes(data)
    cells = [cell(data), {"bytes": None, "path": str(tmp_path / "x.png")}, cell(other)]
    made = [digest.tobytes() for digest in picture_prints([[image] for image in cells])["file"]]
    assert made == [file_digest(data), file_digest(data), file_digest(other)] and len({*made}) == 2
    write_split(tmp_path / POPE, "default", "test", [{**ROW, "image": cell(data)}], POPE_COLUMNS)
    scored = Scored({"pope": split_files(tmp_path / POPE, None, "test")})
    assert [scored.tasks(image) for image in cells] == [["pope"], ["pope"], []]
