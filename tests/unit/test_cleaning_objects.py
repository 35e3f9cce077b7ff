"""Objects that pictures do not have: planted ones are named; what is denied, asked, said in another number
or unknown is not."""

import json

import pytest

from cadc.cleaning.objects import check, name_of, named, read_lists
from cadc.data.records import PoolError

KNOWN = [
    {"image": "a.jpg", "objects": ["Dog", "dining table", "person", "bus"]},
    {"image": "b.jpg", "objects": ["cat"], "caption": "Two children sit beside a cat on a bench."},
    {"image": "c.jpg", "caption": "an empty street"},
    {"image": "d.jpg", "objects": ["bench", "child", "knife", "table", "umbrella", "wolf"]},
]


@pytest.fixture
def lists(tmp_path):
    path = tmp_path / "objects.jsonl"
    path.write_text("\n".join(map(json.dumps, KNOWN)))
    return read_lists(path)


def judged(lists, image, *answers, least=2, share=0.5):
    turns = [
        {"role": ("user", "assistant")[i % 2], "text": text}
        for answer in answers
        for i, text in enumerate(("<image>\nIs there a wolf?", answer))
    ]
    return check([turns], [[image] if image else []], lists, least, share)


def test_objects_are_the_same_in_any_number_and_case():
    assert name_of("Dining Tables") == ("dining", "table") and name_of("knives") == ("knife",)
    words = ("buses", "glass", "women", "children", "benches", "puppies", "boxes", "bus")
    known = ("bus", "glass", "woman", "child", "bench", "puppy", "box", "bus")
    assert tuple(name_of(word)[0] for word in words) == known


def test_a_caption_has_the_objects_it_names(lists):
    assert lists.of["b.jpg"] == {("cat",), ("child",), ("bench",)} and lists.of["c.jpg"] == set() and lists.longest == 2


def test_a_longer_name_takes_its_words_with_it_and_denials_name_nothing(lists):
    assert named("A dog lies under the dining table. There is no cat, and I can't see a bus.", lists) == [
        ("dining", "table"),
        ("dog",),
    ]


def test_a_name_within_a_word_is_a_name_of_its_own(tmp_path):
    (tmp_path / "l.jsonl").write_text('{"image": "a.jpg", "objects": ["car", "carrot", "scarf"]}')
    assert set(named("a scarf and a carrot in a car", read_lists(tmp_path / "l.jsonl"))) == {
        ("car",),
        ("carrot",),
        ("scarf",),
    }


def test_planted_objects_are_found(lists):
    found = judged(lists, "a.jpg", "A wolf with an umbrella waits for two dogs.")
    assert found.flag[0] and found.score[0] == pytest.approx(2 / 3)
    assert found.evidence[0] == "not in the image's list: umbrella, wolf; 3 objects are named"
    assert judged(lists, "c.jpg", "Children play with a cat.").score[0] == 1.0


@pytest.mark.parametrize(
    ("image", "answer"),
    [
        ("a.jpg", "Two dogs and some people stand at the dining tables near a bus."),
        ("a.jpg", "The people and the dog have an umbrella."),  # one of three: a list is never whole
        ("a.jpg", "There is no wolf and no umbrella; I see neither a cat nor a bench."),
        ("a.jpg", "wolf"),  # too little to judge by
        ("e.jpg", "A wolf with an umbrella."),  # nothing is known of this picture
        ("", "A wolf with an umbrella."),
        ("a.jpg", "1. milk\n2. eggs\n3. twelve loaves of bread"),
        ("a.jpg", "Ein Hund liegt unter dem Tisch."),
    ],
)
def test_rows_that_name_what_is_there_or_what_nobody_knows_are_not_flagged(lists, image, answer):
    assert not judged(lists, image, answer).flag[0]


def test_all_answers_of_a_row_count_and_all_of_its_pictures(lists):
    assert judged(lists, "a.jpg", "A wolf.", "An umbrella.").flag[0]
    turns = [{"role": "user", "text": "?"}, {"role": "assistant", "text": "A cat beside a dog on a bench."}]
    assert (
        not check([turns], [["a.jpg", "b.jpg"]], lists, 2, 0.5).flag[0]
        and check([turns], [["a.jpg"]], lists, 2, 0.5).flag[0]
    )


@pytest.mark.parametrize(
    ("line", "says"),
    [
        ('{"objects": ["dog"]}', "record 2: is .*; write image, and objects or caption"),
        ('{"image": "x.jpg"}', "record 2: is .*; write image, and objects or caption"),
        ('{"image": "x.jpg", "objects": "dog"}', "record 2, image 'x.jpg': objects must be a list"),
        ("[1]", "record 2: is .*; write image"),
        ('{"image": ', "line 2"),
    ],
)
def test_bad_lists_are_named(tmp_path, line, says):
    path = tmp_path / "lists.jsonl"
    path.write_text('{"image": "a.jpg", "objects": ["dog"]}\n' + line)
    with pytest.raises(PoolError, match=says):
        read_lists(path)


def test_an_empty_file_has_no_lists(tmp_path):
    (tmp_path / "none.jsonl").write_text("")
    assert not read_lists(tmp_path / "none.jsonl").of
    with pytest.raises(PoolError, match="gone.jsonl: no such file; set clean.objects.lists"):
        read_lists(tmp_path / "gone.jsonl")
