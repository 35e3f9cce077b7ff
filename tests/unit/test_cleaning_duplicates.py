"""Duplicates: what is the same to a reader is found, what only looks so is not; MinHash and perceptual hashes estimate
what they say."""

import io

import numpy as np
import pytest
from datasketch import MinHash
from PIL import Image, ImageDraw, ImageEnhance
from test_cleaning_text import LETTER, SHORT, row

from cadc.cleaning import duplicates
from cadc.cleaning.minhash import Words, signatures, similarity
from cadc.cleaning.near import banded, components
from cadc.cleaning.pictures import fingerprint, image_groups

TEXT = dict(shingle=3, permutations=64, short=5, seed=0)
PROSE = (
    "the old harbour lies in the morning fog and three fishing boats with red hulls wait for the tide while gulls "
    "circle above the quay"
)


def photo(seed: int) -> Image.Image:
    """A picture with something of every scale, as photographs have."""
    rng = np.random.default_rng(seed)
    image = Image.fromarray(rng.integers(0, 256, (6, 6, 3), dtype=np.uint8)).resize(
        (160, 120), Image.Resampling.BICUBIC
    )
    draw = ImageDraw.Draw(image)
    for _ in range(12):
        x, y, r = rng.integers(0, 160), rng.integers(0, 120), rng.integers(4, 25)
        draw.ellipse((x - r, y - r, x + r, y + r), fill=tuple(int(v) for v in rng.integers(0, 256, 3)))
    return image


def groups(images: list[Image.Image]) -> list[int]:
    prints = [fingerprint(image) for image in images]
    return image_groups(
        np.stack([p["hash"] for p in prints]), np.stack([p["thumbnail"] for p in prints]), bits=32, difference=2.0
    ).tolist()


def test_a_picture_saved_again_scaled_or_tinted_is_the_same_one_and_others_are_not():
    image = photo(0)
    packed = io.BytesIO()
    image.save(packed, "JPEG", quality=60)
    tinted = Image.fromarray(
        (np.asarray(image).clip(12, 243).astype(np.int16) + np.array((10, -6, 4))).astype(np.uint8)
    )
    swapped = Image.fromarray(np.asarray(image)[..., ::-1])  # as bright, other colours
    moved = Image.fromarray(np.roll(np.asarray(image), 40, 1))
    same = [image, Image.open(packed).convert("RGB"), image.resize((320, 240), Image.Resampling.BICUBIC), tinted]
    assert groups([*same, swapped, moved, ImageEnhance.Color(image).enhance(0.0)]) == [0, 0, 0, 0, 4, 5, 6]
    assert groups([photo(s) for s in range(40)]) == list(range(40))


def copies(rows, pictures, files=None):
    files = np.array(pictures if files is None else files, object)
    return duplicates.row_copies(duplicates.text_prints(rows, **TEXT), np.array(pictures), files, bands=16, jaccard=0.8)


def test_rows_that_say_the_same_of_the_same_picture_are_copies_of_the_first():
    rows = [
        row(f"<image>\nWhat colour is the bus?\n{SHORT}", "red"),
        row("<image>\nWhat colour is the bus?", "Red"),  # instruction dropped
        row(f"<image>\nWhat colour is the bus?\n{SHORT}", "blue"),  # another answer: a conflict, no copy
        row(f"<image>\nWhat colour is the bus?\n{SHORT}", "red"),  # another picture
        row(f"<image>\nWhat colour is the car?\n{SHORT}", "red"),  # another question
        row(f"<image>\nWhat colour is the bus?\n{SHORT}", "red"),  # letter by letter
    ]
    found = copies(rows, [1, 1, 1, 2, 1, 1], [b"x", b"y", b"x", b"z", b"x", b"x"])
    assert found.keeper.tolist() == [0, 0, 2, 3, 4, 0] and found.exact.tolist() == [False] * 5 + [True]
    checked = duplicates.check(found, list("abcdef"))
    assert checked.flag.tolist() == [False, True, False, False, False, True] and checked.evidence[5] == "same as row a"
    assert checked.score[5] == 2 > checked.score[1] > 0.8 > checked.score[0] == 0


def test_options_and_one_word_answers_part_rows():
    ask = "<image>\nWhich is it?\n{}\n" + LETTER
    rows = [
        row(ask.format("A: a cat\nB: a dog"), "A"),
        row(ask.format("A: a dog\nB: a cat"), "B"),
        row(ask.format("A: a cat\nB: a dog"), "B"),
    ]
    assert copies(rows, [0, 0, 0]).keeper.tolist() == [0, 1, 2]


def test_of_two_rows_the_one_that_says_more_is_kept():
    rows = [
        row("hello there", "good day"),
        row("hello there", "good day", "and now ?", PROSE),
        row("and now ?", PROSE.replace("old", "small")),
    ]
    assert copies(rows, [0, 0, 0]).keeper.tolist() == [1, 1, 1]
    half = [
        row("hello there", "good day", "and now ?", PROSE),
        row("hello there", "good day", "who is it ?", "the harbour master of the town"),
    ]
    assert copies(half, [0, 0]).keeper.tolist() == [0, 1]


def test_a_thousand_copies_are_all_found():
    rows = [row("who are you ?", "i am a small model .")] * 500 + [
        row("hello", f"{PROSE} {PROSE[::-1]} and {i}") for i in range(500)
    ]
    assert copies(rows, [0] * 1000).keeper.tolist() == [0] * 500 + [500] * 500


def jaccard(a: str, b: str, n: int = 3) -> float:
    sets = []
    for text in (a, b):
        words = ["", "", *text.split(), "", ""]
        sets.append({tuple(words[i : i + n]) for i in range(len(words) - n + 1)})
    return len(sets[0] & sets[1]) / len(sets[0] | sets[1])


@pytest.mark.parametrize("cut", [1, 4, 9])
def test_signatures_estimate_the_jaccard_similarity_as_datasketch_s_do(cut):
    words = PROSE.split()
    a, b = PROSE, " ".join(words[cut:])
    made = signatures([a, b], 3, 1024, seed=1)
    ours = similarity(made, np.array([0]), np.array([1]))[0]
    theirs = [MinHash(1024) for _ in range(2)]
    for sketch, text in zip(theirs, (a, b), strict=True):
        padded = ["", "", *text.split(), "", ""]
        for i in range(len(padded) - 2):
            sketch.update(" ".join(padded[i : i + 3]).encode())
    true = jaccard(a, b)
    assert ours == pytest.approx(true, abs=0.05) and theirs[0].jaccard(theirs[1]) == pytest.approx(true, abs=0.05)


def test_a_signature_depends_on_its_text_alone(monkeypatch):
    texts = [PROSE, "", "one", PROSE + " again", "x " * 300]
    together = signatures(texts, 3, 32, seed=0)
    monkeypatch.setattr("cadc.cleaning.minhash.CHUNK", 64)
    assert np.array_equal(together, signatures(texts, 3, 32, seed=0))
    assert np.array_equal(together[[3]], signatures(texts[3:4], 3, 32, seed=0))
    assert Words().numbers("A cat.") == Words().numbers("a CAT .")


def test_chains_are_joined_and_no_group_crosses_what_parts_them():
    signature = np.array([[1, 1], [1, 2], [3, 2], [3, 3], [9, 9]], np.uint32)
    everything = lambda i, j: np.ones(len(i), bool)
    assert components(banded(signature, 2, np.zeros(5, np.uint64)), everything).tolist() == [0, 0, 0, 0, 4]
    assert components(banded(signature, 2, np.array([0, 0, 1, 1, 1], np.uint64)), everything).tolist() == [
        0,
        0,
        2,
        2,
        4,
    ]
