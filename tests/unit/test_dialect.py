"""The base's dialect: right answers, options that hold them, and no question of the pool's."""

import itertools

import numpy as np

from cadc.world.dialect import ASSISTANT, EQUALS, KEYWORDS, OPTION_LETTERS, cell_words, draw_probes
from cadc.world.scene import BACKGROUNDS, sample_scene
from cadc.world.subtasks import SUBTASKS
from cadc.world.vocabulary import QUESTION_WORDS, heedful, loose, split_words, vocabulary, wording


def probes(kind="objects", n=400, alone=0.2, pick=0.4, seed=0, lexicon=None):
    rng = np.random.default_rng(seed)
    for _ in range(n // 8):
        scene = sample_scene(rng, kind)
        for question, answer in draw_probes(scene, 8, lexicon or loose(), rng, alone, pick):
            yield scene, question, answer


def test_every_word_is_in_the_vocabulary_and_every_probe_ends_with_a_mark():
    known = set(vocabulary()) | {ASSISTANT}
    for kind, lexicon in itertools.product(("objects", "repeats", "text", "chart"), (loose(), heedful())):
        for scene, question, answer in probes(kind, lexicon=lexicon):
            assert set(question) | set(answer) <= known and question[-1] in (EQUALS, ASSISTANT)
            assert (question[-1] == ASSISTANT) == (" ".join(answer) == scene.caption())


def test_answers_are_right_where_the_key_and_the_scene_tell_them():
    seen = 0
    for scene, question, answer in probes(n=2000, alone=0.0, pick=0.0):
        if any(word.startswith("kbackground") for word in question):
            assert answer == [scene.background]
            seen += 1
        elif any(word.startswith("kcount") for word in question):
            assert any(
                str(sum(getattr(item, a) == word for item in scene.items)) == answer[0]
                for word in question
                for a in ("noun", "color")
            )
            seen += 1
    assert seen > 50


def test_the_letter_is_that_of_the_right_option():
    matched = looked_up = 0
    for scene, question, answer in probes(n=2000, alone=0.5, pick=1.0):
        if ":" not in question or answer[0] not in OPTION_LETTERS:
            continue
        start = question.index(":") - 1
        place = [start + 1 + i for i, word in enumerate(question[start + 1 :]) if word == ":"]
        place = next(i for i in place if question[i - 1] == answer[0])
        if any(word.startswith("kcopy") for word in question[:start]):
            assert question[place + 1] == question[start - 1]
            matched += 1
        elif any(word.startswith("kbackground") for word in question[:start]):
            assert question[place + 1] == scene.background and scene.background in BACKGROUNDS
            looked_up += 1
    assert matched > 200 and looked_up > 10


def test_no_question_of_the_pool_is_ever_asked():
    asked = {" ".join(question[:-1]) for _, question, _ in probes(n=4000)}
    stems = {" ".join(split_words(q.split("{")[0])) for s in SUBTASKS.values() for q in s.questions}
    found = {n: [s for s in stems if len(s.split()) >= n and any(s in probe for probe in asked)] for n in (3, 4)}
    assert any(len(stem.split()) >= 4 for stem in stems) and not found[4]
    assert len(found[3]) <= 1  # three fillers in a row may be the start of one by chance
    assert not set(KEYWORDS.values()) & set(wording())


def test_in_the_second_phase_words_that_ask_are_copied_but_never_passed_over():
    told = copied = 0
    for _, question, _ in probes(n=8000, lexicon=heedful()):
        asking = QUESTION_WORDS & set(question)
        copied += bool(asking)
        told += bool(asking) and not any(word.startswith("kcopy") for word in question)
    assert copied > 5 and told == 0 and set(vocabulary()) >= QUESTION_WORDS


def test_cells_are_described_by_one_word_of_each_group_that_applies():
    scene = sample_scene(np.random.default_rng(1), "objects")
    targets = cell_words(scene)
    assert targets.shape[0] == 9 and (targets[:, 0] >= 0).all() and (targets >= -1).all()
