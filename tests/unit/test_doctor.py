"""The doctor: what a machine lacks is named with what to do; what is there counts as there; what the run takes follows from shapes."""

import json
import os
import subprocess
import sys

import pytest
from omegaconf import OmegaConf
from PIL import Image

from cadc.compose.files import composed
from cadc.config.params import checked
from cadc.doctor import checks
from cadc.doctor.estimate import Load, works
from cadc.doctor.published import size_of


def params_of(*overrides):
    return checked(OmegaConf.to_container(composed(list(overrides))), "conf")


def doctor(*overrides):
    done = subprocess.run(
        [sys.executable, "-m", "cadc.doctor", *overrides],
        capture_output=True,
        text=True,
        env=os.environ | {"OPENAI_API_KEY": "sk-secret"},
    )
    return done.returncode, done.stdout, done.stderr


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "images").mkdir()
    Image.new("RGB", (20, 20)).save(tmp_path / "images" / "a.png")
    turns = [{"from": "human", "value": "<image>\n" + "x" * 42}, {"from": "gpt", "value": "y" * 150}]
    (tmp_path / "train.json").write_text(
        json.dumps([{"id": i, "image": "a.png", "conversations": turns} for i in range(3)])
    )
    (tmp_path / "mmt.tsv").touch()
    return tmp_path


def test_everything_that_a_bare_machine_lacks_is_named_with_what_to_do():
    code, said, failed = doctor("profile=llava-1.5-7b", "data=llava-665k", "evaluate.judge.url=https://judge")
    assert code == 1 and not failed
    for words in ("llava_v1_5_mix665k.json: no such file", "coco/train2017: 0 files, 118,287 expected", "hf download llava-hf/llava-1.5-7b-hf (14.1 GB)",
                  "hf download --repo-type dataset lmms-lab-encoder/MME", "ok       OPENAI_API_KEY: set", "7.06 billion parameters", "finetune@cadc"):  # fmt: skip
        assert words in said, words
    assert "sk-secret" not in said
    assert "MISSING  GPU: none" in said or "GB needed" in said


def test_the_default_lacks_nothing_and_a_typo_is_named():
    assert doctor()[0] == 0
    code, _, failed = doctor("profile=lava")
    assert code == 1 and "profile/lava" in failed and "Traceback" not in failed


def test_a_folder_s_own_files_are_counted(folder):
    params = params_of("data=folder", f"data.path={folder}")
    annotations = checks.annotations_of(params.data)
    assert (annotations.rows, annotations.characters, annotations.fault) == (3, 200, None)
    found = {finding.what: finding for finding in checks.data_findings(params.data, annotations)}
    assert found["annotations"].there and found["images"].there and found["questions, multiple choice"].there
    assert not found["questions, yes/no"].there and "data.yesno to null" in found["questions, yes/no"].text
    assert not checks.benchmark_findings(params)  # both are one's own
    (folder / "train.json").write_text("[{")
    assert "breaks off" in checks.data_findings(params.data, checks.annotations_of(params.data))[0].text


def test_keys_that_are_needed_are_asked_for_and_never_shown(monkeypatch):
    params = params_of("views.url=https://x", "views.model=m")
    monkeypatch.delenv("OPENAI_API_KEY", raising=False)
    assert [(f.there, f.text) for f in checks.key_findings(params)] == [(False, "not set, export it: views.url")]
    monkeypatch.setenv("OPENAI_API_KEY", "sk-secret")
    assert "secret" not in checks.key_findings(params)[0].text and checks.key_findings(params)[0].there
    assert checks.key_findings(params_of()) == []


def by_stage(params, rows=10_000):
    size = size_of(params.model)
    return {work.stage: work for work in works(params, size, size_of(params.tuned), Load(rows, 1000.0, 100, 10, 50))}


def test_estimates_follow_rows_tokens_and_budget():
    params = params_of("profile=smolvlm-256m", "data=llava-665k", "curate.budget=0.1", "seeds=[0]")
    size, one, two = size_of(params.model), by_stage(params), by_stage(params, 20_000)
    assert (
        two["attribute"].flops == 2 * one["attribute"].flops
        and two["finetune@random"].flops == 2 * one["finetune@random"].flops
    )
    assert one["finetune@full"].flops == pytest.approx(10 * one["finetune@random"].flops)
    assert (
        one["finetune@random"].flops == 4 * size.parameters * 1000 * 1000
    )  # 1,000 rows of 1,000 tokens, a forward pass and one for activations
    assert one["replicate"].flops == 2 * (one["proxy_train"].flops + one["capture"].flops)
    assert one["prepare"].flops == 0 and one["evaluate@random"].rows == 50


def test_checkpointing_spares_training_its_memory_and_gradients_of_single_rows_nothing():
    common = ("profile=smolvlm-256m", "data=llava-665k", "seeds=[0]")
    plain, checkpointed = (
        by_stage(params_of(*common)),
        by_stage(params_of(*common, "model.gradient_checkpointing=true")),
    )
    assert (
        checkpointed["proxy_train"].memory < plain["proxy_train"].memory
        and checkpointed["proxy_train"].flops == 1.5 * plain["proxy_train"].flops
    )
    assert checkpointed["attribute"] == plain["attribute"] and checkpointed["capture"] == plain["capture"]


def test_every_stage_that_the_report_waits_for_is_estimated_and_no_other():
    random_alone = by_stage(
        params_of(
            "profile=smolvlm-256m", "data=llava-665k", "seeds=[0]", "~methods", "+methods={random: {signal: pool}}"
        )
    )
    assert set(random_alone) == {
        "prepare",
        "embed",
        "proxy_train",
        "capture",
        "attribute",
        "replicate",
        "finetune@random",
        "evaluate@random",
    }
    of_one_s_own = by_stage(
        params_of(
            "profile=smolvlm-256m",
            "data=llava-665k",
            "+methods.self_filter={signal: score_net}",
            "+methods.less={signal: matching}",
        )
    )
    cleaned = by_stage(params_of("profile=smolvlm-256m", "data=llava-665k", "clean.pool=cleaned"))
    assert (
        cleaned["crossfit"].flops > 10 * cleaned["proxy_train"].flops
    )  # three passes of training, and ten over two pictures
    assert of_one_s_own["score_net"].rows == 10_000 and of_one_s_own["match"].flops == of_one_s_own["attribute"].flops


def test_a_transfer_tunes_and_asks_the_other_model():
    own, other = (
        by_stage(params_of("profile=smolvlm-256m", "data=llava-665k", f"transfer.path={path}"))
        for path in ("null", "HuggingFaceTB/SmolVLM-Instruct")
    )
    assert other["attribute"] == own["attribute"] and other["proxy_train"] == own["proxy_train"]
    for stage in ("finetune@cadc", "evaluate@cadc"):
        assert other[stage].flops > 5 * own[stage].flops and other[stage].memory > own[stage].memory
