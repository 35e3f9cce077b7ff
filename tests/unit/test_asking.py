"""Scoring in parts: any cut and any number of workers give the same bytes, and what was asked is not asked again."""

import importlib.util
import multiprocessing
import os
import shutil
import sys
import time
from collections import Counter
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest
import torch
import yaml
from architectures import FAMILIES

os.environ |= {"HF_HUB_OFFLINE": "1", "HF_DATASETS_OFFLINE": "1"}

from cadc import artifacts
from cadc.config.params import load_params
from cadc.evaluation import adapter, asking, benchmarks, samples
from cadc.evaluation.adapter import ChatModel, questions_of
from cadc.model.adapters import load_adapter, save_adapter
from cadc.model.encode import bytes_of
from cadc.model.generate import by_length
from cadc.model.load import add_lora, load_base, load_processor, merged, trainable
from cadc.world.benchmarks import write_benchmarks

ROOT = Path(__file__).parents[2]
TASKS = ["pope_adv", "mmt_val", "mini_vqa"]
SEEDS = [0, 1]


@pytest.fixture(scope="module")
def cell(pool, tmp_path_factory):
    """A folder with what `score` reads of two seeds' adapters, and its params."""
    folder = tmp_path_factory.mktemp("cell")
    (folder / "models").symlink_to(ROOT / "models")
    raw = yaml.safe_load((ROOT / "params.yaml").read_text())
    raw["evaluate"] |= {"tasks": TASKS, "batch_size": 4, "shard_questions": 10, "max_new_tokens": 3}
    raw["arms"]["random"] |= {"seeds": SEEDS}
    (folder / "params.yaml").write_text(yaml.safe_dump(raw, sort_keys=False))
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        params = load_params()
        few = {"probe_per_subtask": 1, "probe_pope_images": 1, "probe_llava_wild_images": 1}
        few |= {"score_per_subtask": 1, "pope_images": 2, "llava_wild_images": 1}
        world = params.benchmarks.model_copy(update=few)
        write_benchmarks(artifacts.fresh(artifacts.PROBE), artifacts.fresh(artifacts.SCORE), world, params.world)
        pq.write_table(pool, artifacts.fresh(artifacts.POOL) / "rows.parquet")
        for seed in SEEDS:
            model = add_lora(load_base(params.model), params.model.lora, seed)
            generator = torch.Generator().manual_seed(seed)
            with torch.no_grad():
                for parameter in trainable(model).values():
                    parameter += 0.05 * torch.randn(parameter.shape, generator=generator)
            save_adapter(model, artifacts.ADAPTERS / "random" / artifacts.run_name(seed))
            chosen = artifacts.Selection.of_rows(np.arange(3))
            artifacts.save_selection(artifacts.selection_path("random", seed), chosen)
    return folder


@pytest.fixture
def stage(cell, monkeypatch):
    """stages/score.py for the arm `random`, with portions of 64 questions, in a folder without what it made before."""
    monkeypatch.chdir(cell)
    monkeypatch.setattr(sys, "argv", ["stages/score.py", "random"])
    for module in (adapter, asking):
        monkeypatch.setattr(module, "PORTION", 64)
    for made in ("artifacts/scratch", "reports"):
        shutil.rmtree(made, ignore_errors=True)
    spec = importlib.util.spec_from_file_location("score_stage", ROOT / "stages/score.py")
    module = importlib.util.module_from_spec(spec)
    monkeypatch.setitem(sys.modules, "score_stage", module)  # by which processes find it
    spec.loader.exec_module(module)
    return module


def started(target, *args) -> multiprocessing.Process:
    """A process of its own, as a stage is: lmms-eval leaves locks behind that a process of another can't take."""
    process = multiprocessing.get_context("fork").Process(target=target, args=args)
    process.start()
    return process


def run(stage, params) -> None:
    process = started(stage.main, params)
    process.join()
    assert process.exitcode == 0


def results() -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in Path("reports/arms/random").iterdir()}


def asked_whole(model_params, folder) -> None:
    """metrics.json and rows.json of both seeds, from lmms-eval with the model itself."""
    tasks, metrics, rows = benchmarks.load_tasks(artifacts.SCORE, TASKS), {}, []
    chat = ChatModel(load_processor(model_params), 4, 3)
    for seed in SEEDS:
        name = artifacts.run_name(seed)
        chat.model = load_adapter(load_base(model_params), artifacts.ADAPTERS / "random" / name)
        metrics[name], made = benchmarks.run(chat, tasks)
        own = [row for task in sorted(made) for row in samples.sample_rows(task, made[task])]
        rows += [{"seed": seed, **{key: row[key] for key in samples.sample_schema(TASKS).names}} for row in own]
    artifacts.write_json(folder / "metrics.json", metrics)
    artifacts.write_json(folder / "rows.json", rows)


def test_any_cut_and_any_number_of_workers_give_the_bytes_of_one_run_over_all_questions(stage, monkeypatch, tmp_path):
    params, made = load_params(stage.VARIANT), []
    for workers, size in (("1", 1000), ("1", 7), ("2", 10)):
        monkeypatch.setenv("CADC_WORKERS", workers)
        shutil.rmtree("artifacts/scratch", ignore_errors=True)
        evaluate = params.evaluate.model_copy(update={"shard_questions": size})
        run(stage, params.model_copy(update={"evaluate": evaluate}))
        assert not list(artifacts.SCRATCH.glob("score_parts/*")) and not stage.PLAN.exists()
        made.append(results())
    assert made[0] == made[1] == made[2]
    process = started(asked_whole, params.model, tmp_path)
    process.join()
    metrics, rows = (artifacts.read_json(tmp_path / f"{name}.json") for name in ("metrics", "rows"))
    assert metrics["s0"] != metrics["s1"] and artifacts.read_json(Path("reports/arms/random/metrics.json")) == metrics
    assert pq.read_table("reports/arms/random/samples.parquet").to_pylist() == rows


def test_a_killed_stage_asks_what_is_missing_and_nothing_twice(stage, monkeypatch, tmp_path):
    params, log = load_params(stage.VARIANT), tmp_path / "asked"
    answers = ChatModel.answers

    def noted(self, batch):
        made = answers(self, batch)
        with log.open("a") as file:  # a line a question, written at once
            file.write("".join(f"{stage_of(self)} {question.task} {question.doc}\n" for question in batch))
        return made

    def stage_of(chat):
        return float(sum(p.double().abs().sum() for name, p in chat.model.named_parameters() if "lora_" in name))

    monkeypatch.setattr(ChatModel, "answers", noted)
    monkeypatch.setenv("CADC_WORKERS", "1")
    log.touch()
    n_questions = len(questions_of(benchmarks.load_tasks(artifacts.SCORE, TASKS).tasks))
    process = started(stage.main, params)
    while len(log.read_text().splitlines()) < n_questions + 30:  # in the midst of the second seed
        assert process.is_alive(), "it ended before it was killed"
        time.sleep(0.005)
    process.kill()
    process.join()
    assert process.exitcode == -9 and not Path("reports").exists()
    before = Counter(log.read_text().splitlines())
    whole = [path for path in artifacts.SCRATCH.glob("score_parts/*") if path.is_dir() and not path.suffix]
    kept = sum(pq.read_metadata(path / "answers.parquet").num_rows for path in whole)
    assert n_questions < kept <= before.total()
    monkeypatch.setenv("CADC_WORKERS", "2")
    run(stage, params)
    after = Counter(log.read_text().splitlines())
    assert len(after) == 2 * n_questions and after.total() - before.total() == 2 * n_questions - kept
    resumed = results()
    asked = after.total()
    run(stage, params)  # all is there already
    assert sum(1 for _ in log.open()) == asked and results() == resumed
    shutil.rmtree("artifacts/scratch")
    run(stage, params)
    assert results() == resumed


@pytest.mark.parametrize("family", FAMILIES)
def test_tokens_are_counted_without_a_picture_as_they_are_encoded(mirror, family, tmp_path, monkeypatch):
    torch.manual_seed(0)
    processor = FAMILIES[family].build()[1]
    names = ["seedbench", "cmmmu_val", "gqa", "mmbench_cn_dev_static"]
    whole = questions_of(benchmarks.load_tasks(mirror, names, cache=tmp_path).tasks)
    chat = ChatModel(processor, 3, 4)
    lengths = [len(chat.prompt(question)["input_ids"]) for question in whole]
    assert len(set(lengths)) > 3 and all(chat._limit(question) == 4 for question in whole)
    monkeypatch.setattr(benchmarks, "open_image", None)  # none is decoded
    assert chat.batches(whole) == by_length(lengths, 3)


def test_no_more_prompts_are_kept_than_fit_and_others_are_answered_alike(mirror, processor, tiny_model, monkeypatch):
    asked = questions_of(benchmarks.load_tasks(mirror, ["seedbench", "gqa"]).tasks)
    chat = ChatModel(processor, 4, 4)
    chat.model = tiny_model

    def all_answers():
        return {at[0]: chat.answers([asked[i] for i in at]) for at in chat.batches(asked)}

    whole = all_answers()
    assert len(chat._prompts) == len(asked)
    largest = max(map(bytes_of, chat._prompts.values()))
    monkeypatch.setattr(adapter, "KEPT_BYTES", 2 * largest)
    chat._prompts.clear()
    chat._bytes = 0
    assert all_answers() == whole == all_answers()
    held = sum(map(bytes_of, chat._prompts.values()))
    assert 2 <= len(chat._prompts) < len(asked) and 2 * largest <= held < 3 * largest


def test_a_merged_adapter_says_what_it_said(cell, monkeypatch):
    monkeypatch.chdir(cell)
    params = load_params()
    chat = ChatModel(load_processor(params.model), 4, 8)
    asked = questions_of(benchmarks.load_tasks(artifacts.SCORE, ["mini_vqa"]).tasks)[:8]
    model = load_adapter(load_base(params.model), artifacts.ADAPTERS / "random" / artifacts.run_name(0))
    said = []
    for chat.model in (model, merged(model)):
        said.append([chat.answers([asked[i] for i in at]) for at in chat.batches(asked)])
    assert said[0] == said[1] and not any("lora" in name for name, _ in chat.model.named_parameters())
    chat.model = load_base(params.model)
    assert said[0] != [chat.answers([asked[i] for i in at]) for at in chat.batches(asked)]
