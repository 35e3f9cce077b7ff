"""Planted faults: each befalls its stated share of each form, and its rows are what it says of them."""

from collections import Counter

import numpy as np
import pyarrow.parquet as pq
import pytest

from cadc import artifacts
from cadc.config.errors import InputError
from cadc.data.probe import LLAVA_W, MINI_VQA, MMT, POPE
from cadc.data.wording import LLAVA_LETTER, SHORT_ANSWER
from cadc.world.benchmarks import write_benchmarks
from cadc.world.faults import FAULTS
from cadc.world.files import write_world
from cadc.world.mini_world import draw_rows
from cadc.world.scene import OBJECT_NOUNS
from cadc.world.subtasks import SUBTASKS
from cadc.world.vocabulary import content_words, split_words, vocabulary

WORLDS = ("mini-world", "world-b")
FEW = dict.fromkeys(("probe_per_subtask", "probe_pope_images", "probe_llava_wild_images"), 1)
FEW |= dict.fromkeys(("score_per_subtask", "pope_images", "llava_wild_images"), 1)


@pytest.fixture(scope="module", params=WORLDS)
def drawn(request, params):
    """A world's parameters, and all of its rows."""
    world = params.worlds[request.param]
    return world, draw_rows(world, np.random.default_rng(world.seed))


@pytest.fixture
def faulty(drawn):
    """Original rows and near copies with a fault, by its name."""
    return lambda name: [row for row in drawn[1] if row.noise == name]


def first_line(row) -> str:
    return row.turns[0].human.split("\n")[0].removeprefix("Question: ")


def options_of(row) -> dict[str, str]:
    return dict(line.split(": ", 1) for line in row.turns[0].human.split("\n") if line[1:3] == ": ")


def test_every_fault_has_its_share_of_every_form_it_can_befall_and_of_no_other(drawn):
    world, rows = drawn
    assert set(FAULTS) == set(type(world.faults).model_fields) and len(rows) == 20000
    for of, within in (([row for row in rows if row.copy_of < 0], 0.001), (rows, 0.01)):
        forms, found = Counter(row.form for row in of), Counter((row.noise, row.form) for row in of)
        assert set(forms) == {"open", "yesno", "choice", "chat", "caption", "text"}
        for name, fault in FAULTS.items():
            for form, n in forms.items():
                share = getattr(world.faults, name) if form in fault.forms else 0
                assert found[name, form] / n == pytest.approx(share, abs=within), (name, form)


def test_faults_that_leave_no_row_sound_are_refused(params):
    faults = params.world.faults.model_copy(update={"wrong": 0.9, "mismatch": 0.2})
    world = params.world.model_copy(update={"rows": 200, "faults": faults})
    with pytest.raises(InputError, match=r"world.faults: wrong, mismatch.* add up to 1.1\d* of all chat rows"):
        draw_rows(world, np.random.default_rng(0))


def test_the_same_seed_gives_the_same_rows(params):
    for name in WORLDS:
        world = params.worlds[name].model_copy(update={"rows": 1000})
        a, b, c = (draw_rows(world, np.random.default_rng(seed)) for seed in (1, 1, 2))
        assert a == b != c


def test_all_words_are_in_the_vocabulary(params, drawn):
    known = set(vocabulary())
    third = draw_rows(params.world.model_copy(update={"rows": 2000, "wordings": [2]}), np.random.default_rng(0))
    for row in (*drawn[1], *third):
        for turn in row.turns:
            assert set(split_words(f"{turn.human} {turn.answer}")) <= known, turn


def test_a_sound_row_has_its_picture_and_the_right_form(drawn):
    for row in drawn[1]:
        if row.noise == "clean":
            assert row.image_of is None
            if row.form == "caption":
                assert row.turns[0].answer == f"{row.scene.caption()} ."
            if row.form == "choice":
                assert row.turns[0].answer in options_of(row)


def test_wrong_answers_are_all_turns_and_mismatched_rows_have_another_picture(faulty):
    assert all(turn.answer == turn.wrong for row in faulty("wrong") for turn in row.turns)
    assert all(row.image_of not in (None, row.scene) for row in faulty("mismatch"))
    assert any(row.form == "caption" for row in faulty("mismatch"))


def test_a_hallucinated_caption_names_one_object_that_the_picture_lacks(faulty):
    for row in faulty("hallucination"):
        told = row.turns[0].answer.removesuffix(" .").split(" , ")
        more = Counter(told) - Counter(row.scene.caption().split(" , "))
        (clause,) = more.elements()
        (noun,) = set(clause.split()) & set(OBJECT_NOUNS)
        assert noun not in {item.noun for item in row.scene.items} and row.image_of is None
        assert len(told) == len(row.scene.items) + 1


def test_a_loop_ends_in_a_phrase_that_is_there_five_times_and_more(faulty):
    for row in faulty("repetition"):
        words = row.turns[0].answer.split()
        assert any(words[-5 * n :] == 5 * words[-n:] for n in range(1, 7)), words


def test_a_refusal_is_no_answer_and_only_rows_with_pictures_speak_of_them(faulty):
    for row in faulty("refusal"):
        said = set(row.turns[0].answer.split())
        assert not said & set(content_words()) and said & {"not", "no"}
        assert row.scene or "image" not in said


def test_an_echo_repeats_the_question(faulty):
    rows = faulty("echo")
    assert all(row.turns[0].answer.startswith(first_line(row)) for row in rows)
    alone = sum(row.turns[0].answer == first_line(row) for row in rows)
    assert 0.25 < alone / len(rows) < 0.75


def test_a_truncated_caption_breaks_off_in_its_middle_third(faulty):
    for row in faulty("truncation"):
        whole, said = f"{row.scene.caption()} .".split(), row.turns[0].answer.split()
        assert said == whole[: len(said)] and 1 / 3 - 0.1 < len(said) / len(whole) <= 2 / 3


def test_meta_talk_comes_before_the_answer(faulty):
    for row in faulty("meta"):
        said = row.turns[0].answer
        assert {"model", "caption", "description"} & set(said.split())
        if row.form == "caption":
            assert said.endswith(f" {row.scene.caption()} .")
        assert row.scene or "as an ai language model" in said


def test_an_answer_out_of_format_breaks_the_form_that_its_question_asks_for(faulty):
    kinds = Counter()
    for row in faulty("format"):
        said, options = row.turns[0].answer, options_of(row)
        if row.form == "choice":
            assert said not in options and row.turns[0].human.endswith((LLAVA_LETTER, "given options."))
            kinds["option" if said in options.values() else "sentence" if said.endswith(" .") else "beyond"] += 1
        else:
            assert said.endswith(".") and said not in SUBTASKS[row.subtask].answers
            assert row.turns[0].human.endswith(SHORT_ANSWER)
            if row.form == "yesno":
                assert len({"yes", "no"} & set(said.split())) == 1
    assert min(kinds.values()) > 10 and len(kinds) == 3


def test_copies_have_the_faults_of_their_originals(drawn):
    rows = drawn[1]
    for row in rows:
        if row.copy_of >= 0:
            first = rows[row.copy_of]
            assert (row.noise, row.image_of) == (first.noise, first.image_of)
            assert row.turns[0].answer == first.turns[0].answer


def asked(root) -> dict[str, list[str]]:
    """The questions of each benchmark under a root, by its data set."""
    tables = {name: sorted((root / name).rglob("*.parquet")) for name in (MMT, POPE, MINI_VQA, LLAVA_W)}
    return {
        name: [q for path in paths for q in pq.read_table(path)["question"].to_pylist()]
        for name, paths in tables.items()
    }


def test_the_worlds_ask_in_words_of_their_own(params, tmp_path):
    pools, sizes = [], params.benchmarks.model_copy(update=FEW)
    for name in WORLDS:
        world = params.worlds[name].model_copy(update={"rows": 4000})
        rows = draw_rows(world, np.random.default_rng(0))
        pools.append({first_line(row) for row in rows if row.form in ("open", "choice", "chat")})
        write_benchmarks(tmp_path / name / "probe", tmp_path / name / "score", sizes, world)
    assert min(map(len, pools)) > 100 and not pools[0] & pools[1]
    for root in ("probe", "score"):
        a, b = (asked(tmp_path / name / root) for name in WORLDS)
        for benchmark, questions in a.items():
            assert questions and set(questions) & set(b[benchmark]) <= {"describe the image ."}, benchmark


def test_questions_follow_from_their_own_seed_alone(params, tmp_path):
    sizes, made = params.benchmarks.model_copy(update=FEW), []
    for k, change in enumerate(({"seed": 1}, {"seed": 2}, {"questions_seed": 3})):
        write_benchmarks(tmp_path / f"{k}p", tmp_path / f"{k}s", sizes, params.world.model_copy(update=change))
        files = [path for root in (f"{k}p", f"{k}s") for path in sorted((tmp_path / root).rglob("*.parquet"))]
        made.append([path.read_bytes() for path in files])
    assert made[0] == made[1] and not set(made[0]) & set(made[2])
    assert not set(made[0][: len(made[0]) // 2]) & set(made[0][len(made[0]) // 2 :])


def test_a_world_is_a_folder_with_pool_labels_and_questions(params, tmp_path):
    world = params.worlds["world-b"].model_copy(update={"rows": 150})
    elsewhere = params.pool.model_copy(update={"embed_images": False})
    write_world(tmp_path / "b", tmp_path / "scratch", world, params.benchmarks.model_copy(update=FEW), elsewhere)
    pool, labels = artifacts.load_pool(tmp_path / "b/pool"), pq.read_table(tmp_path / "b/labels.parquet")
    assert pool["id"].to_pylist() == labels["id"].to_pylist() and pool.num_rows == 150
    assert all(image["bytes"] for images in pool["images"].to_pylist() for image in images)
    assert set(labels["noise"].to_pylist()) > {"clean", "wrong"} and (tmp_path / "b/pool/skipped.json").exists()
    assert {path.name for path in (tmp_path / "b/benchmarks").iterdir()} == {"probe", "score"}
