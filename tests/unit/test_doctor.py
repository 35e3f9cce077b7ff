"""The doctor: what a machine lacks is named with what to do, and what the run takes follows from shapes."""

import json
import os
import subprocess
import sys
from types import SimpleNamespace

import pytest
import torch
from memory import MODELS
from omegaconf import OmegaConf
from PIL import Image

from cadc.compose.files import composed
from cadc.config.arms import Arm
from cadc.config.errors import InputError
from cadc.config.params import checked
from cadc.doctor import checks, machine
from cadc.doctor.estimate import Load, Work, row_flops, works
from cadc.doctor.published import size_of


def raw_of(*overrides):
    return OmegaConf.to_container(composed(list(overrides)))


def params_of(*overrides):
    return checked(raw_of(*overrides), "conf")


def arms_of(*overrides):
    return {name: Arm.model_validate(arm) for name, arm in raw_of(*overrides)["arms"].items()}


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
    code, said, failed = doctor(
        "profile=llava-1.5-7b", "data=llava-665k", "evaluate.judge.url=https://judge", "evaluate.judge.model=m"
    )
    assert code == 1 and not failed
    for words in (
        "llava_v1_5_mix665k.json: no such file",
        "coco/train2017: 0 files, 118,287 expected",
        "hf download llava-hf/llava-1.5-7b-hf (14.1 GB)",
        "hf download --repo-type dataset lmms-lab-encoder/MME",
        "ok       OPENAI_API_KEY: set",
        "7.06 billion parameters",
        "finetune@cadc",
    ):
        assert words in said, words
    assert "sk-secret" not in said
    assert "MISSING  GPU: none" in said or "GB needed" in said


def test_the_default_lacks_nothing_and_a_typo_is_named():
    assert doctor()[0] == 0
    code, _, failed = doctor("profile=lava")
    assert code == 1 and "profile/lava" in failed and "Traceback" not in failed
    code, _, failed = doctor("arms.random.seeds=[-1]")
    assert code == 1 and failed == (
        "doctor: params.yaml: arms.random: arm.seeds.0 = -1: Input should be greater than or equal to 0\n"
    )


@pytest.mark.parametrize(
    ("path", "fetch"),
    [("some/model", "hf download some/model"), ("../rows.json", "no folder ../rows.json"),
     ("a/b/c", "no folder a/b/c"), ("models/nil", "no folder models/nil"), ("-", "no folder -")],
)  # fmt: skip
def test_a_model_that_is_not_there_is_fetched_where_its_name_can_be_one_of_the_hub(path, fetch):
    params = params_of(f'model.path="{path}"', "recipe_of=null")
    (found,) = (one for one in checks.model_findings(params, None) if one.what == "model")
    assert not found.there and found.text == fetch


def test_a_folder_s_own_files_are_counted(folder):
    params = params_of("data=folder", f"data.path={folder}")
    annotations = checks.annotations_of(params.data)
    assert (annotations.rows, annotations.characters, annotations.fault) == (3, 200, None)
    found = {finding.what: finding for finding in checks.data_findings(params.data, annotations)}
    assert found["annotations"].there and found["images"].there and found["questions, multiple choice"].there
    assert not found["questions, yes/no"].there and "data.yesno to null" in found["questions, yes/no"].text
    assert not checks.benchmark_findings(params)  # both are one's own
    (folder / "train.json").write_text("[{")
    assert "JSON is truncated" in checks.data_findings(params.data, checks.annotations_of(params.data))[0].text


def test_keys_that_are_needed_are_asked_for_and_never_shown(monkeypatch):
    params = params_of("views.url=https://x", "views.model=m")
    monkeypatch.delenv("OPENAI_API_KEY", raising=False)
    assert [(f.there, f.text) for f in checks.key_findings(params, arms_of())] == [
        (False, "not set, export it: views.url")
    ]
    monkeypatch.setenv("OPENAI_API_KEY", "sk-secret")
    assert (
        "secret" not in checks.key_findings(params, arms_of())[0].text
        and checks.key_findings(params, arms_of())[0].there
    )
    assert checks.key_findings(params_of(), arms_of()) == []


def by_stage(*overrides, rows=10_000):
    params, arms = params_of(*overrides), arms_of(*overrides)
    made = works(params, arms, size_of(params.model, params.finetune.full), Load(rows, 1000.0, 100, 10, 50))
    return {work.stage: work for work in made}


SMOL = ("profile=smolvlm-256m", "data=llava-665k", "seeds=[0]")


def test_estimates_follow_rows_tokens_budget_and_seeds():
    overrides = (*SMOL, "budget=0.1")
    size = size_of(params_of(*overrides).model)
    one, two = by_stage(*overrides), by_stage(*overrides, rows=20_000)
    assert two["attribute"].flops == 2 * one["attribute"].flops
    assert two["finetune@random"].flops == 2 * one["finetune@random"].flops
    assert one["finetune@full"].flops == pytest.approx(10 * one["finetune@random"].flops)
    # 1,000 rows of 1,000 tokens: the language model's forward pass twice over, the tower's once for each tile's patches
    assert one["finetune@random"].flops == 1000 * row_flops(size, 1000, 2)
    text, tower = size.parameters - size.tower, 2 * size.tower * 13 * 32 * 32
    assert row_flops(size, 1000, 2) == pytest.approx(4 * text * 1000 + tower, rel=0.35)
    single = by_stage(*overrides, "proxy.seeds=[0]")
    assert one["proxy"].flops == 3 * single["proxy"].flops and one["capture"].flops == 3 * single["capture"].flops
    assert one["prepare"].flops == 0 and one["score@random"].rows == 50
    assert by_stage(*SMOL[:2], "seeds=[0,1]")["score@random"].rows == 100


def test_checkpointing_spares_training_its_memory_and_gradients_of_single_rows_nothing():
    plain, checkpointed = by_stage(*SMOL), by_stage(*SMOL, "model.gradient_checkpointing=true")
    assert checkpointed["proxy"].memory < plain["proxy"].memory
    assert plain["proxy"].flops < checkpointed["proxy"].flops < 1.5 * plain["proxy"].flops  # not the frozen tower's
    assert checkpointed["attribute"] == plain["attribute"] and checkpointed["capture"] == plain["capture"]


def test_training_all_weights_takes_their_gradients_and_moments_too():
    """18 bytes a trained weight where a frozen one takes 2, and the language model of Qwen2-VL has 7.6 billion."""
    qwen = ("profile=qwen2-vl-7b", "data=llava-665k", "seeds=[0]")
    lora, full = by_stage(*qwen), by_stage(*qwen, "finetune.full='.*language_model.*|lm_head.*'")
    extra = full["finetune@full"].memory - lora["finetune@full"].memory
    assert extra == pytest.approx(16 * 7.6e9, rel=0.02)
    assert full["finetune@full"].flops > 1.3 * lora["finetune@full"].flops
    assert full["finetune@full"].disk == pytest.approx(14 * 7.6e9, rel=0.02)
    assert full["attribute"] == lora["attribute"] and full["proxy"] == lora["proxy"]
    with pytest.raises(InputError, match=r"finetune\.full: nothing matches no weight"):
        by_stage(*qwen, "finetune.full=nothing")


def test_only_stages_of_several_parts_take_several_gpus():
    made = by_stage(*SMOL, "seeds=[0,1,2]")
    assert made["attribute"].processes(8) == made["attribute"].parts == 2  # 10,000 rows, 5,000 a shard
    assert made["proxy"].processes(8) == 3 and made["prepare"].processes(8) == 1
    assert made["attribute"].seconds(1e12, 8) == made["attribute"].flops / 2e12
    assert made["proxy"].seconds(1e12, 2) == pytest.approx(made["proxy"].flops * 2 / 3 / 1e12)  # two, then one
    assert made["proxy"].host > 2e9 and machine.host_finding(1e15).there is False and machine.host_finding(1).there


@pytest.mark.parametrize("profile", [*MODELS, "llava-1.5-13b", "own"])
def test_every_profile_s_gradients_fit_its_card_with_15_percent_to_spare(profile):
    path = ["model.path=Qwen/Qwen2-VL-7B-Instruct"] if profile == "own" else []
    made = by_stage(f"profile={profile}", "data=llava-665k", *path)
    for stage in ("attribute", "capture", "proxy", "finetune@random", "score@random"):
        assert made[stage].memory <= 0.85 * 80e9, stage


def test_without_a_gpu_bfloat16_wants_a_cpu_that_multiplies_in_it(monkeypatch, tmp_path):
    flags = tmp_path / "cpuinfo"
    flags.write_text("flags : fpu avx2 avx512f avx512_bf16 sse")
    assert machine.computes_in_bfloat16(flags) and not machine.computes_in_bfloat16(tmp_path / "none")
    flags.write_text("flags : fpu avx2 avx512f")
    assert not machine.computes_in_bfloat16(flags)
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    real = params_of("profile=smollm2-135m", "data=folder", "data.path=data/mine")
    monkeypatch.setattr(machine, "computes_in_bfloat16", lambda: False)
    found = machine.gpu_finding(real, Work("finetune@full", 1, 1, memory=5e9))
    assert not found.there and found.text.endswith("or set model.dtype=float32, which is faster here")
    monkeypatch.setattr(machine, "computes_in_bfloat16", lambda: True)
    assert machine.gpu_finding(real, Work("finetune@full", 1, 1, memory=5e9)).there
    pinned = real.model_copy(update={"compute": real.compute.model_copy(update={"isa": "avx2"})})
    assert not machine.gpu_finding(pinned, Work("finetune@full", 1, 1, memory=5e9)).there


def test_a_gpu_that_is_too_small_is_told_by_which_stage_and_what_to_lower(monkeypatch):
    params = params_of("profile=own", "model.path=Qwen/Qwen2-VL-7B-Instruct")
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 2)
    monkeypatch.setattr(torch.cuda, "get_device_name", lambda i: "A card")
    monkeypatch.setattr(torch.cuda, "get_device_properties", lambda i: SimpleNamespace(total_memory=24e9))
    found = machine.gpu_finding(params, Work("finetune@full", 1, 1, memory=21e9))
    text = "2 x A card, 24 GB, about 21 GB needed (by finetune@full), with 15% to spare; lower finetune.micro_batch"
    assert not found.there and found.text.startswith(text)
    found = machine.gpu_finding(params, Work("attribute", 1, 1, memory=21e9))
    assert found.text.endswith("(by attribute), with 15% to spare; lower capture.batch_tokens")
    found = machine.gpu_finding(params, Work("score@full", 1, 1, memory=20e9))
    assert found.there and found.text.endswith("15% to spare")


def test_every_stage_that_takes_time_is_estimated_and_no_other():
    shared = {"prepare", "embed", "proxy", "capture", "attribute"}
    arms = {"cadc", "influence_coverage", "progress", "random", "task_budget_random", "full"}
    assert set(by_stage(*SMOL)) == shared | {f"{stage}@{arm}" for stage in ("finetune", "score") for arm in arms}
    curate = "curate: {by: pool, keep: 1.0, sequence: none, replay: 0}"
    arm = f"{{method: self_filter, signal: score_net/default, budget: 0.1, seeds: [0], {curate}, select: {{}}}}"
    assert "score_net" in by_stage(*SMOL, f"+arms.mine={arm}")
    assert "crossfit" in by_stage(*SMOL, "clean.pool=cleaned")
