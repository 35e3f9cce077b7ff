"""The loop, with real tuning on a small world: a harmful update is rolled back, a killed loop goes on and ends alike.

Neither scoring rows nor labels are there to be read.
"""

import re
import shutil
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import yaml

from cadc import artifacts
from cadc.cleaning import reasoning
from cadc.config.params import load_params
from cadc.data.lineage import Change, answers_of, apply_lineage, read_lineage, version_of, write_lineage
from cadc.features.embeddings import load_sentence_encoder, row_encoder, row_text, sentence_embeddings
from cadc.metabolism import attribution, rounds, trials
from cadc.metabolism.reasoning import REASON
from cadc.metabolism.validation import Verdict
from cadc.report import metabolism
from cadc.world.benchmarks import write_benchmarks

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def small(pool, tmp_path_factory):
    """A folder with pool, embeddings and probe split as the stages make them, and its params.

    It has no scoring split and no labels.
    """
    folder = tmp_path_factory.mktemp("loop")
    for name in ("models", "towers"):
        (folder / name).symlink_to(ROOT / name)
    raw = yaml.safe_load((ROOT / "params.yaml").read_text())
    few = {"rounds": 1, "seeds": [200, 201], "reserve_rows": 100, "bootstrap": 20}
    raw["metabolize"] |= few | {"tasks": [task for task in raw["metabolize"]["tasks"] if task != "mini_vqa"]}
    raw["finetune"]["epochs"]["b20"] = 8.0
    (folder / "params.yaml").write_text(yaml.safe_dump(raw, sort_keys=False))
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        patch.setenv("CADC_WORKERS", "1")
        params = load_params()
        small = params.benchmarks.model_copy(
            update={
                "probe_per_subtask": 2,
                "probe_pope_images": 2,
                "probe_llava_wild_images": 1,
                "score_per_subtask": 1,
                "pope_images": 1,
                "llava_wild_images": 1,
            }
        )
        write_benchmarks(artifacts.fresh(artifacts.PROBE), artifacts.fresh(artifacts.SCORE), small, params.world)
        shutil.rmtree(artifacts.SCORE)
        pq.write_table(pool, artifacts.fresh(artifacts.POOL) / "rows.parquet")
        views = row_encoder(params.model, params.embed.tower)(pool)
        questions = [row_text(turns, answers=False) for turns in pool["turns"].to_pylist()]
        artifacts.save_array(artifacts.EMBEDDINGS / "image.npy", views["image"])
        artifacts.save_array(
            artifacts.EMBEDDINGS / "sentence.npy",
            sentence_embeddings(load_sentence_encoder(params.embed.sentences), questions),
        )
        yield params


def spoil(stand, found, version, rules, rng):
    """An update that does harm: every answer becomes the same nonsense."""
    answers = [answers_of(turns) for turns in artifacts.load_pool()["turns"].to_pylist()]
    return [
        Change(row, version, "rewrite", before=own, after=("top left",) * len(own))
        for row, own in zip(stand.ids, answers, strict=True)
        if own
    ]


def test_a_harmful_update_is_rolled_back(small, monkeypatch):
    outcome = rounds.run_rounds(small, spoil)
    verdict = outcome.rounds[0].verdict
    assert not outcome.rounds[0].accepted and verdict.gain < -10 and all(gain < 0 for gain in verdict.by_seed)
    assert (
        outcome.changes == []
        and outcome.last == "round_0"
        and outcome.n_rows["round_1"] == outcome.n_rows["round_0"] == 240
    )
    assert len(outcome.rounds[0].found) == 32 and {d.name for d in outcome.rounds[0].found} >= {
        "presence",
        "counting_by_category",
    }
    wrong = [(sum(d.kinds.values()), sum(d.steps.values())) for d in outcome.rounds[0].found]
    assert all(by_kind == by_step for by_kind, by_step in wrong) and sum(by_step for _, by_step in wrong) > 20
    assert tellers(outcome) == {"world"}


def tellers(outcome) -> set[str]:
    """Who put pictures into words in the first round."""
    return {teller for found in outcome.rounds[0].found for teller in found.told}


def test_pictures_of_no_world_are_described_by_the_models_themselves(small, monkeypatch):
    monkeypatch.setattr(attribution, "told", lambda picture: "")
    assert tellers(rounds.run_rounds(small, lambda *_: [])) == {"model"}


def test_a_killed_loop_goes_on_and_ends_with_the_same_bytes(small, monkeypatch, tmp_path):
    whole = rounds.run_rounds(small)
    write_lineage(tmp_path / "whole.csv", whole.changes or whole.rounds[0].changes)
    after = {
        path: path.stat().st_mtime_ns for path in sorted((artifacts.SCRATCH / "metabolize").rglob("samples.parquet"))
    }
    of_round = {path for path in after if "round_1_" in str(path)}
    assert len(of_round) == 2 and len(after) == 4
    expected = {path: path.read_bytes() for path in of_round}
    lost = sorted(of_round)[1].parent
    shutil.rmtree(lost)
    saved = trials.save_adapter
    monkeypatch.setattr(trials, "save_adapter", lambda model, folder: (_ for _ in ()).throw(KeyboardInterrupt))
    with pytest.raises(KeyboardInterrupt):
        rounds.run_rounds(small)
    assert not lost.exists() and list(lost.parent.glob(f"{lost.name}.partial-*"))
    monkeypatch.setattr(trials, "save_adapter", saved)
    again = rounds.run_rounds(small)
    write_lineage(tmp_path / "again.csv", again.changes or again.rounds[0].changes)
    assert (tmp_path / "whole.csv").read_bytes() == (tmp_path / "again.csv").read_bytes() and again.rounds[0].changes
    assert {path: path.read_bytes() for path in of_round} == expected
    assert all(path.stat().st_mtime_ns == when for path, when in after.items() if path.parent != lost)
    assert again.rounds[0].verdict == whole.rounds[0].verdict and again.last == whole.last
    assert not artifacts.SCORE.exists() and not artifacts.LABELS.exists()
    report_says_what_was_done(small, again)


STEPS = "the item stands where the eye falls first\nnothing else of its kind is near\n"


def stepped(params, serve, monkeypatch, tmp_path, accept: bool):
    """Two rounds in which an endpoint's model answers a tenth of the rows step by step, a third of them otherwise than
    the row does, and in which each update is accepted or none. Returns the outcome and how many replies were kept.
    """
    rows = artifacts.load_pool()["turns"].to_pylist()
    known = {turns[0]["text"].replace("<image>", "").strip(): turns[1]["text"] for turns in rows if len(turns) == 2}

    def reply(prompt, n):
        question = prompt.split("\n\n", 1)[1]
        answer = known[question] if len(question) % 3 else "none of it"
        return f"{STEPS}Answer: {answer}"

    server = serve(reply)
    monkeypatch.setenv("CADC_ENDPOINT_CACHE", str(tmp_path / "replies"))
    verdict = Verdict(1.0, 0.5 if accept else -0.5, [1.0, 1.0])
    monkeypatch.setattr(rounds, "validate", lambda *_: verdict)
    asked = params.metabolize.model_copy(update={"reasoning": 0.1, "url": server.url, "model": "m", "rounds": 2})
    outcome = rounds.run_rounds(params.model_copy(update={"metabolize": asked}), lambda *_: [])
    prompts = [artifacts.read_json(path)["prompt"] for path in (tmp_path / "replies").rglob("*.json")]
    return outcome, sum("step by step" in prompt for prompt in prompts)


def test_rows_are_answered_step_by_step_and_judged_as_the_rest(small, serve, monkeypatch, tmp_path):
    outcome, n_replies = stepped(small, serve, monkeypatch, tmp_path, accept=True)
    first, second = outcome.rounds
    turns = dict(zip(outcome.index.pool["id"].to_pylist(), outcome.index.pool["turns"].to_pylist(), strict=True))
    for made in (first, second):
        assert 5 < len(made.changes) <= 24 and {change.reason for change in made.changes} == {REASON}
        assert re.match(rf"{len(made.changes)} of 24 rows .* x another answer than the row's", made.reasoned)
    ids = [change.row for made in outcome.rounds for change in made.changes]
    assert len(ids) == len(set(ids)) and n_replies > 40  # of 48 rows: copies are asked once
    for change in outcome.changes:
        (given,) = answers_of(turns[change.row])
        assert reasoning.form_of(turns[change.row][0]["text"], given) and change.before == (given,)
        assert change.after == (f"<think>\n{STEPS}</think>\n{given}",)
    assert [mix.reasoned for mix in outcome.mixes] == [0, len(first.changes), len(second.changes)]
    write_lineage(tmp_path / "lineage.csv", outcome.changes)
    assert read_lineage(tmp_path / "lineage.csv") == outcome.changes
    labels = [{"id": row, "noise": "wrong", "duplicate_of": ""} for row in turns]
    monkeypatch.setattr(metabolism, "load_labels", lambda _: pa.Table.from_pylist(labels))
    page = "\n".join(metabolism._round_text(first, small))
    assert f"{first.reasoned}.\n" in page and f"| {REASON} | {len(first.changes)} | 100 |" in page
    # no model that gives short answers judges these rows
    version = artifacts.SCRATCH / "metabolize" / "versions" / "round_1"
    look, names = np.load(version / "look.npy"), pq.read_table(version / "rows.parquet")["id"].to_pylist()
    assert len(look) > 30 and not {names[row] for row in look} & {change.row for change in first.changes}


def test_steps_that_did_not_help_are_not_written_again(small, serve, monkeypatch, tmp_path):
    outcome, n_replies = stepped(small, serve, monkeypatch, tmp_path, accept=False)
    first, second = outcome.rounds
    assert first.changes and not first.accepted and outcome.changes == []
    assert second.changes == [] and second.reasoned == "" and n_replies <= 24


def report_says_what_was_done(params, outcome):
    """Written twice it has the same bytes, and the lineage in it makes the version that was accepted."""
    labels = pa.schema(
        [(name, pa.string()) for name in ("id", "subtask", "meta_task", "form", "noise", "duplicate_of")]
    )
    pq.write_table(labels.empty_table(), artifacts.LABELS)
    scored = {
        name: [trial.samples for trial in outcome.trials[name]] for name in dict.fromkeys(["round_0", outcome.last])
    }
    made = []
    for _ in range(2):
        metabolism.write(params, outcome, scored)
        made.append({path: path.read_bytes() for path in sorted(Path("reports").rglob("*.*"))})
    assert made[0] == made[1] and {path.name for path in made[0]} == {
        "metabolism.md",
        "metabolism.json",
        "lineage.csv",
        "rejected.csv",
        "changes.png",
        "mix.png",
    }
    changes = read_lineage(Path("reports/metabolism/lineage.csv"))
    assert changes == outcome.changes
    assert [mix.n_rows for mix in outcome.mixes] == [outcome.n_rows[mix.version] for mix in outcome.mixes]
    assert (
        outcome.mixes[-1].version == outcome.last and "## Mix of the pool" in Path("reports/metabolism.md").read_text()
    )
    assert "Steps at which wrong answers fail" in Path("reports/metabolism.md").read_text()
    made = apply_lineage(outcome.index.pool, outcome.index.reserve, changes)
    assert made.num_rows == outcome.n_rows[outcome.last] and version_of(made) == (outcome.last == "round_1")
    figures = artifacts.read_json(Path("reports/metabolism.json"))
    assert (
        figures["accepted"] == outcome.last
        and figures["round_1"]["gain"] == round(outcome.rounds[0].verdict.gain, 2)
        and set(figures["round_0"]["probe"])
        and sum(figures["round_1"]["failed"].values()) > 20
    )


def test_versions_share_what_is_drawn_of_the_rows_they_share():
    ids = [f"{i:06d}" for i in range(1000)]
    first, again, without, other = (
        trials.draw_of(rows, 200, seed).tolist()
        for rows, seed in ((ids, 7), (ids, 7), (ids[:17] + ids[18:], 7), (ids, 8))
    )
    assert first == again and len(set(first)) == 200 and len(trials.draw_of(ids[:150], 200, 7)) == 150
    left = [ids[row] for row in first if row != 17]
    assert [(ids[:17] + ids[18:])[row] for row in without][: len(left)] == left
    assert 20 < len(set(first) & set(other)) < 65  # 40 by chance
