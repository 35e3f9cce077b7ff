"""Questions of every benchmark are counted in tokens as they are asked, and no picture is decoded for it."""

import os

os.environ |= {"HF_HUB_OFFLINE": "1", "HF_DATASETS_OFFLINE": "1"}

import re

import pytest
from architectures import FAMILIES
from hub_mirror import MIRROR, write
from transformers import AutoProcessor

from cadc import artifacts
from cadc.config.errors import InputError
from cadc.evaluation import benchmarks
from cadc.evaluation.benchmarks import load_tasks
from cadc.evaluation.catalogue import TASKS, check
from cadc.evaluation.questions import shown, too_long
from cadc.model.encode import prompt
from cadc.model.fit import Fit


@pytest.fixture(scope="module", params=["llava", "smolvlm"])
def model(request, params, tmp_path_factory):
    """A model whose pictures all have as many tokens, and one whose pictures' sizes count."""
    path = FAMILIES[request.param].write(tmp_path_factory.mktemp(request.param) / "model")
    return params.model.model_copy(update={"path": str(path), "max_length": 1})


def test_every_task_s_questions_are_counted_as_they_are_asked(mirror, model, monkeypatch):
    names = [name for name in TASKS if TASKS[name].judge != "real"]
    processor, fit, seen = AutoProcessor.from_pretrained(model.path), Fit(model), 0
    for name, task in zip(names, load_tasks(mirror, names).tasks, strict=True):
        asked = [shown(name, i, task.doc_to_messages(doc)) for i, doc in enumerate(task.eval_docs)]
        lengths = [len(prompt(processor, *one)["input_ids"]) for one in asked]
        with monkeypatch.context() as patch:
            patch.setattr(benchmarks, "open_image", None)  # whoever decodes a picture fails
            found = too_long(fit, mirror, name, judged=False)
        assert [int(re.search(r"row .*: (\d+) tokens$", line)[1]) for line in found] == lengths
        assert len(lengths) == len(MIRROR[name][1]), name
        seen += len(lengths)
    assert seen > 100


def test_only_questions_beyond_the_limit_are_named_by_what_people_call_them(tmp_path, model):
    kinds, rows = MIRROR["textvqa_val"]
    write(tmp_path, "textvqa_val", (kinds, [*rows[:3], rows[3] | {"question": "what color " * 500}, *rows[4:]]))
    (line,) = too_long(Fit(model.model_copy(update={"max_length": 900})), tmp_path, "textvqa_val", judged=False)
    assert re.fullmatch(rf"{re.escape(str(tmp_path))}/lmms-lab-encoder/textvqa: textvqa_val, row 3: 1\d+ tokens", line)


def test_what_the_scored_root_lacks_is_said_of_the_root_that_people_name(tmp_path, model, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(InputError, match=r"(?s)in data\.score \(.* is a copy.*-dir \$data\.score/") as error:
        check(artifacts.SCORE, ["mmt_val"], False)
    assert "data.probe" not in str(error.value)
    write(artifacts.SCORE, "pope_adv", MIRROR["pope_adv"])
    with pytest.raises(InputError, match=r"split popular: cannot read it .* into data\.score \("):
        too_long(Fit(model), artifacts.SCORE, "pope_pop", judged=False)
