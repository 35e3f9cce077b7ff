"""Making a base: texts are right, packed exchanges do not see one another, and one seed gives one base."""

import json
from pathlib import Path

import numpy as np
import pytest
import torch

from cadc.config.errors import InputError
from cadc.config.params import Base, load_params
from cadc.world.bases import build_processor
from cadc.world.batches import Batches
from cadc.world.dialect import ASSISTANT
from cadc.world.pretrain import pretrain
from cadc.world.reading import draw_text
from cadc.world.vocabulary import heedful, loose, vocabulary

TINY = Base(vision_width=16, width=16, layers=1)
FEW = {f"{phase}_steps": 3 for phase in ("align", "look", "heed", "read", "settle")}
FEW |= {"align_batch": 4, "look_batch": 2, "read_images": 2, "read_sequences": 2, "settle_pictured": 1}


@pytest.fixture
def made(tmp_path):
    """The weights of a base that is made with some parameters; what is kept is kept in a folder of one's choice."""

    def make(kept="kept", **changes):
        model, _ = pretrain(load_params().pretrain.model_copy(update=FEW | changes), TINY, tmp_path / kept)
        return model.state_dict()

    return make


def test_texts_tell_a_scene_and_answer_a_question_about_it():
    rng, known, asked = np.random.default_rng(0), set(vocabulary()), 0
    for _ in range(2000):
        words, answer = draw_text(rng)
        assert words[-1] == ASSISTANT and set(words[:-1]) <= known and set(answer) <= known
        text = " ".join(words)
        if "how many objects are there in all ?" in text and len(answer) == 1 and answer[0].isdigit():
            told = text[: text.index("how many objects are there in all ?")]
            assert told.count(" at ") == int(answer[0])
            asked += 1
    assert asked > 5


def test_an_untold_question_is_answered_in_a_sentence_but_by_yes_or_no_where_it_is_put_so():
    rng, short, long = np.random.default_rng(0), 0, 0
    for _ in range(500):
        words, answer = draw_text(rng, untold=1.0)
        assert words[1] != ","  # behind the background of a scene that is told
        if answer in (["yes"], ["no"]):
            short += 1
        else:
            assert answer[:2] == ["it", "is"] and answer[-1] == "."
            long += 1
    assert 0.2 < short / (short + long) < 0.3


def test_an_exchange_sees_its_picture_and_itself_alone():
    batches = Batches(build_processor(), loose(), 1)
    scenes, _, _ = batches.scenes(3)
    ids, labels, positions, mask = batches.looking(scenes, 4, alone=0.1, pick=0.3)
    assert mask.shape == (3, 1, ids.shape[1], ids.shape[1]) and not mask.triu(1).any()
    for row in range(3):
        starts = [i for i in range(10, ids.shape[1]) if positions[row, i] == 10]
        assert len(starts) == 4 and positions[row, :10].tolist() == list(range(10))
        second, third = starts[1], starts[2]
        assert mask[row, 0, third, :10].all() and not mask[row, 0, third, 10:third].any()
        assert mask[row, 0, third - 1, second:third].all() and (labels[row, :10] == -100).all()


def test_texts_come_without_pictures_and_do_not_see_one_another():
    processor = build_processor()
    batches = Batches(processor, heedful(), 1)
    ids, labels, positions, mask = batches.reading(2, 3)
    vocabulary_of = processor.tokenizer.get_vocab()
    assert not (ids == vocabulary_of["<image>"]).any() and (ids == vocabulary_of["<unk>"]).sum() == 0
    for row in range(2):
        starts = (ids[row] == vocabulary_of["<user>"]).nonzero().flatten().tolist()
        assert len(starts) == 3 and positions[row, starts].tolist() == [0, 0, 0]
        assert not mask[row, 0, starts[1] :, : starts[1]].any()
    assert (labels == vocabulary_of["<end>"]).sum() == 6


def test_texts_may_stand_behind_a_picture_and_do_not_see_one_another_there_either():
    processor = build_processor()
    ids, _, positions, mask = Batches(processor, heedful(), 1).reading(3, 2, pictured=2)
    image, assistant = (processor.tokenizer.get_vocab()[word] for word in ("<image>", ASSISTANT))
    assert (ids == image).sum(1).tolist() == [9, 9, 0] and (ids[:2, 1:10] == image).all()
    for row in range(2):
        starts = (positions[row] == 10).nonzero().flatten().tolist()
        assert len(starts) == 2 and starts[0] == 10 and (ids[row] == assistant).sum() == 2
        assert mask[row, 0, starts[1], :10].all() and not mask[row, 0, starts[1], 10 : starts[1]].any()


def test_the_base_in_git_knows_today_s_words():
    made = json.loads(Path("models/mini/tokenizer.json").read_text())["model"]["vocab"]
    assert made == build_processor().tokenizer.get_vocab()


def test_one_seed_makes_one_base(made):
    first, again, other = made("a"), made("b"), made("c", seed=8)
    assert all(torch.equal(first[name], again[name]) for name in first)
    assert not torch.equal(first["lm_head.weight"], other["lm_head.weight"])
    for phase in ("read", "settle"):
        short = made(phase, **{f"{phase}_steps": 1})
        assert not torch.equal(first["lm_head.weight"], short["lm_head.weight"])


def test_a_killed_run_goes_on_behind_its_last_long_phase(made, monkeypatch, capsys):
    whole = made("whole")
    with monkeypatch.context() as patched:
        reading = Batches.reading
        patched.setattr(Batches, "reading", lambda *of: reading(*of) if of[3] == 0 else 1 / 0)
        with pytest.raises(ZeroDivisionError):
            made("killed")
    capsys.readouterr()
    again = made("killed")
    assert "resumes after phase read" in capsys.readouterr().out
    assert all(torch.equal(whole[name], again[name]) for name in whole)


def test_a_loss_that_is_not_finite_names_phase_and_step(made):
    with pytest.raises(InputError, match=r"align loss is nan at step \d; lower pretrain\.align_lr"):
        made(align_lr=1e30, align_steps=9)
