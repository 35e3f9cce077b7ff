"""Tables from small results: arms beside each other, by the one rule for intervals, the same bytes every time."""

import shutil
from pathlib import Path

import numpy as np
import pytest
import small_results

from cadc.config.errors import InputError
from cadc.evaluation.intervals import arm_of, difference, holm
from cadc.evaluation.results import load_samples
from cadc.report import costs, remake, results, tables
from cadc.report.stated import Stated

REPOSITORY = Path.cwd()
DRAWS = 60


def spec(*rows, full="full", claims=(), **more):
    rows = [{"label": label, "arm": arm} for label, arm in rows]
    return {"title": "A table", "about": "What it is about.", "split": "score", "plot": True,
            "claims": claims, "rows": rows, "full": full, "published": {}} | more  # fmt: skip


FOUR = (("random", "random"), ("better", "better"), ("random", "random_b20"), ("better", "better_b20"), ("all", "full"))
CLAIMS = [["better", "random"], ["random", "better"], ["all", "better"]]


@pytest.fixture
def stated(tmp_path, monkeypatch):
    """The root's arms, and a pipeline `mine` with one table, FOUR."""
    monkeypatch.chdir(tmp_path)
    root = small_results.write_root(REPOSITORY)
    model = Stated().root["model"]
    own = {name: Stated().root[name] for name in ("model", "finetune", "evaluate")}
    arms = {"better": {**root["random"], **own}, "random_b20": {**root["random"], "budget": 0.2, **own},
            "other": {**root["random"], **own, "model": model | {"path": "models/other"}}}  # fmt: skip
    arms["better_b20"] = {**arms["better"], "budget": 0.2}
    small_results.write_arm("better", 0.97, 20)
    small_results.write_arm("other", 0.6, 20)
    for name, skill in (("random_b20", 0.7), ("better_b20", 0.71)):
        small_results.write_arm(name, skill, 80)
    small_results.write_pipeline("mine", {"four": spec(*FOUR, claims=CLAIMS)}, arms)
    return Stated()


def made(stated, spec=None):
    return tables.make(spec or stated.table("mine", "four"), stated, DRAWS)


def test_figures_and_differences_are_those_of_the_rule(stated):
    table = made(stated)
    full, better, random = (arm_of(name, load_samples(name), DRAWS) for name in ("full", "better", "random"))
    better, random = better.relative_to(full), random.relative_to(full)
    by_hand = difference(better, random, "relative")
    assert table.judged == "relative" and table.difference(table.lines[1]) == by_hand
    line = tables.tabulated(table).splitlines()[3]
    estimate = better.estimate("relative")
    assert line.startswith("| better, 5% |") and f"| {estimate.mean:.1f} ± {estimate.sd:.1f} |" in line
    assert f"| {estimate.low:.1f} to {estimate.high:.1f} |" in line
    assert f"| {by_hand.mean:+.1f} ({by_hand.low:+.1f} to {by_hand.high:+.1f}) |" in line


def test_differences_are_to_the_first_row_at_the_same_budget(stated):
    table = made(stated)
    assert [line.title for line in table.lines] == ["random, 5%", "better, 5%", "random, 20%", "better, 20%", "all"]
    told = [table.difference(line) for line in table.lines]
    assert [one is None for one in told] == [True, False, True, False, True]
    random, better = table.lines[2:4]
    assert told[3].mean == pytest.approx(better.mean("relative") - random.mean("relative"))


def test_claims_are_corrected_as_one_family(stated):
    claims = made(stated).claims()
    said = [(claim.better.title, claim.worse.title) for claim in claims]
    assert ("better, 5%", "random, 5%") in said and ("better, 20%", "random, 20%") in said
    assert ("all", "better, 20%") in said and ("better, 5%", "random, 20%") not in said
    assert [claim.p for claim in claims] == holm([claim.difference.p for claim in claims])
    for claim in claims:
        ahead = {True: "holds", False: "reversed"}[claim.difference.mean > 0]
        assert claim.verdict == (ahead if claim.p < 0.05 else "open")
    verdicts = {(claim.better.title, claim.worse.title): claim.verdict for claim in claims}
    assert verdicts["better, 5%", "random, 5%"] == "holds" and verdicts["random, 5%", "better, 5%"] == "reversed"
    assert verdicts["better, 20%", "random, 20%"] == "open"
    text = tables.claimed(made(stated))
    assert "| p (Holm) | verdict |" in text and text.count("\n") == 2 + len(claims)
    assert tables.claimed(made(stated, spec(*FOUR))) == ""


def test_without_full_data_tables_are_judged_by_corrected_scores(stated):
    table = made(stated, spec(*FOUR[:2], full=None))
    assert table.judged == "corrected_mean" and "relative" not in table.columns
    assert set(tables.metrics(table)["better_5"]) == {"corrected"}


def test_one_seed_has_a_mean_and_no_interval(stated):
    for name in ("random", "better", "full"):
        small_results.write_arm(name, 0.7, 20, seeds=(0,))
    lines = tables.tabulated(made(stated, spec(*FOUR[:2], claims=[["better", "random"]]))).splitlines()
    assert "±" not in lines[3] and "nan" not in lines[3] and " to " not in lines[3]
    assert tables.claimed(made(stated, spec(*FOUR[:2], claims=[["better", "random"]]))).endswith("|  |  | open |\n")


def test_a_table_says_where_its_bytes_are_those_of_one_kind_of_machine(stated, tmp_path):
    said = "results of one CPU type (compute.isa: native)"
    tables.write(tmp_path, "four", made(stated))
    assert said not in (tmp_path / "four.md").read_text()
    stated.root["compute"]["isa"] = "native"
    tables.write(tmp_path, "four", made(stated))
    assert said in (tmp_path / "four.md").read_text()


def test_metrics_have_one_figure_a_row_and_no_dot_in_a_key(stated):
    rows = [("keep: 0.5", "random"), ("keep: 0_5", "better"), ("all", "full")]
    told = tables.metrics(made(stated, spec(*rows)))
    assert list(told) == ["keep_0_5_5", "keep_0_5_5_again", "all"]
    assert all(list(one) == ["relative"] and round(one["relative"], 1) == one["relative"] for one in told.values())
    assert told["all"] == {"relative": 100.0}


def test_an_arm_that_is_not_made_is_named_with_its_command(stated, tmp_path):
    for name, where in (("better", "pipelines/mine/dvc.yaml:"), ("random", "")):
        (tmp_path / "reports/arms" / name / "samples.parquet").unlink()
        with pytest.raises(InputError, match=f"run `dvc repro {where}score@{name}`"):
            made(stated, spec((name, name)))
    with pytest.raises(InputError, match="no table five; there are mine four"):
        stated.table("mine", "five")
    with pytest.raises(InputError, match="no pipeline defines arms.nobody"):
        made(stated, spec(("x", "nobody")))


def test_tasks_that_not_every_arm_was_scored_on_are_left_out_and_said_so(stated):
    small_results.write_arm("better", 0.8, 20, tasks=("mmt_val", "mini_vqa"))
    table = made(stated, spec(*FOUR[:2]))
    assert table.left_out == ["llava_in_the_wild", "pope_adv", "pope_pop", "pope_random"]
    assert "corrected_choice" in table.columns and "corrected_yesno" not in table.columns
    assert "Not scored for every row, left out: llava_in_the_wild" in tables.note(table, Path("reports/tables/mine"))


def test_arms_scored_on_other_rows_are_an_error_for_people(stated):
    small_results.write_arm("better", 0.8, 20, n=20)
    for full in ("full", None):
        with pytest.raises(InputError, match="A table: .* and random were scored on different samples"):
            made(stated, spec(*FOUR[:2], full=full))


def test_a_table_has_the_same_bytes_every_time(stated, tmp_path):
    for folder in ("one", "two"):
        tables.write(tmp_path / "reports" / "tables" / folder, "four", made(stated))
    files = sorted(path.name for path in (tmp_path / "reports/tables/one").iterdir())
    assert files == ["four.json", "four.md", "four.png"]
    for name in files:
        one, two = ((tmp_path / "reports/tables" / folder / name).read_bytes() for folder in ("one", "two"))
        assert one == two, name
    text = (tmp_path / "reports/tables/one/four.md").read_text()
    assert text.startswith("# A table\n\nWhat it is about.\n\nScore split, 3 seeds.\n")
    assert "([method](../../../docs/statistics.md)" in text and "![A table](four.png)" in text


def test_published_figures_stand_beside_ours_and_are_drawn_against_them(stated, tmp_path):
    table = made(stated, spec(*FOUR[:2], plot=False, published={"random": 95.0}))
    assert [line.rpartition(" | ")[0].split(" | ")[-2] for line in tables.tabulated(table).splitlines()[2:]] == [
        "95",
        "",
    ]
    assert "| difference (95%) | published |" in tables.tabulated(table)
    tables.write(tmp_path / "x", "one", table)
    three = spec(FOUR[0], FOUR[1], FOUR[4], plot=False, published={"random": 95.0, "better": 98.0, "all": 100.0})
    tables.write(tmp_path / "x", "both", made(stated, three))
    files = ["both.json", "both.md", "both_published.png", "one.json", "one.md"]  # one point would show nothing
    assert sorted(path.name for path in (tmp_path / "x").iterdir()) == files
    assert "(both_published.png)" in (tmp_path / "x/both.md").read_text()


def test_a_published_figure_stands_beside_ours_at_its_own_budget(stated):
    """A table with several budgets has several rows of one label."""
    said = spec(("better", "better"), published={"better": 98.0})
    small_results.write_pipeline("mine", {"four": spec(*FOUR), "said": said}, stated.pipelines["mine"]["arms"])
    table = made(Stated())
    tables.write(results.TABLES / "mine", "four", table)
    at_5, at_20 = (f"{line.mean('relative'):.1f}" for line in table.lines if line.label == "better")
    (row,) = results.compared()
    assert at_5 != at_20 and row["ours"].startswith(f"{at_5} (")


def test_random_rows_are_a_band_where_they_stand_at_one_budget(stated):
    assert tables.random_of(made(stated, spec(FOUR[0], ("cadc", "cadc")))).seeds == (0, 1, 2)
    assert tables.random_of(made(stated)) is None  # at 5% and at 20%


def test_a_table_without_a_picture_has_none(stated, tmp_path):
    tables.write(tmp_path / "x", "plain", made(stated, spec(*FOUR[:2], plot=False)))
    assert sorted(path.name for path in (tmp_path / "x").iterdir()) == ["plain.json", "plain.md"]


def test_costs_by_hand(stated):
    per_row = small_results.COUNTED
    n, training = small_results.N_POOL, per_row["training"]
    random = costs.cost_of(stated, "random", per_row)
    assert random.selection == 0 and random.tuning == 4 * 20 * training  # 4 passes over 5% of 400 rows
    assert costs.cost_of(stated, "random_b20", per_row).tuning == 3 * 80 * training
    cadc, ours = (costs.cost_of(stated, name, per_row).selection for name in ("cadc", "influence_coverage"))
    once, all_rows = n * training + 3 * per_row["n_probe"] * per_row["gradients"], 3 * n * per_row["gradients"]
    assert cadc == once + all_rows and ours == 3 * once + all_rows  # capabilities of one run, and of three
    measured = np.mean([np.load(f"reports/arms/progress/rounds_{seed}.npy")[:, :, 4].sum() for seed in range(3)])
    progress = costs.cost_of(stated, "progress", per_row)
    asked = n * (per_row["embedding"] + per_row["questions"]) + measured * per_row["forward"]
    assert progress.selection == pytest.approx(asked) and progress.tuning == random.tuning
    assert costs.full_tuning(stated, per_row) == n * training  # one pass


def test_what_two_signals_share_is_paid_for_once(stated):
    """One capture serves every discovery: its gradients of pool and probe rows count once."""
    per_row, n = small_results.COUNTED, small_results.N_POOL
    stated.root["arms"]["both"] = {**stated.root["arms"]["cadc"]}
    stated.root["arms"]["both"]["curate"] = stated.root["arms"]["influence_coverage"]["curate"]
    small_results.write_arm("both", 0.5, 20)
    ours = costs.cost_of(stated, "influence_coverage", per_row).selection
    assert costs.cost_of(stated, "both", per_row).selection == ours
    assert ours == 3 * (n * per_row["training"] + (3 * per_row["n_probe"] + n) * per_row["gradients"])


@pytest.mark.parametrize(
    "method, signal, reads",
    [("entropy_coverage", "embeddings", {"embedding", "questions"}), ("clip_score", "embeddings", {"embedding"}),
     ("visnec", "contrasts/default", {"questions"}), ("presel", "contrasts/default", {"embedding"}),
     ("xmas", "contrasts/default", set())],
)  # fmt: skip
def test_embeddings_are_paid_for_by_the_methods_that_read_them(stated, method, signal, reads):
    per_row, n = small_results.COUNTED, small_results.N_POOL
    stated.root["contrasts"] = {"default": {"run": "default"}}
    stated.root["arms"]["own"] = {**stated.root["arms"]["random"], "method": method, "signal": signal}
    small_results.write_arm("own", 0.5, 20)
    looked = n * (per_row["training"] + 6 * per_row["forward"]) if signal.startswith("contrasts") else 0
    assert costs.cost_of(stated, "own", per_row).selection == looked + n * sum(per_row[name] for name in reads)


def test_every_method_that_reads_questions_pays_for_them():
    for path in (REPOSITORY / "src/cadc/selectors").glob("*.py"):
        reads = 'signal["sentence"]' in path.read_text(encoding="utf-8")
        assert reads == ("questions" in costs.READS.get(path.stem, ())), path.name


def test_what_replays_more_rows_than_it_passes_over_pays_for_them(stated):
    small_results.write_arm("random", 0.5, 300)
    assert costs.cost_of(stated, "random", small_results.COUNTED).tuning == 300 * small_results.COUNTED["training"]


def test_costs_of_another_model_are_not_told(stated):
    assert costs.cost_of(stated, "other", small_results.COUNTED) is None
    lines = tables.tabulated(made(stated, spec(("random", "random"), ("other", "other")))).splitlines()
    assert "| selection, TFLOP | with tuning |" in lines[0] and lines[3].endswith("|  |  |")
    assert "TFLOP" not in tables.tabulated(made(stated, spec(("other", "other"))))


def test_every_arm_that_params_yaml_and_pipelines_state_can_be_told_the_cost_of(monkeypatch):
    """What they point to is stated somewhere; costs of lists of skills and of other models are blank."""
    monkeypatch.setattr(costs, "load_selections", lambda name: {0: []})
    stated = Stated()
    arms = {name for levels in (stated.root, *stated.pipelines.values()) for name in levels.get("arms", {})}
    told = {name: costs.cost_of(stated, name, small_results.COUNTED) for name in arms}
    signals = {stated.arm(name)["signal"].partition("/")[0] for name, cost in told.items() if cost}
    assert "views" not in signals and told["random"] and told["cadc"]


def test_only_tables_whose_arms_are_made_are_made_again(stated, tmp_path):
    assert remake.targets() == (["report", "pipelines/mine/dvc.yaml:table_four"], [])
    shutil.rmtree(tmp_path / "reports/arms/cadc")
    assert remake.targets() == (["pipelines/mine/dvc.yaml:table_four"], ["report"])
    shutil.rmtree(tmp_path / "reports/arms/better")
    assert remake.targets() == ([], ["report", "mine/four"])


def test_a_table_waits_for_all_that_its_page_shows(stated, tmp_path):
    more = {"shows": ["rows", "capabilities", "convergence"], "discoveries": ["cadc"], "followed": {"random": {}}}
    small_results.write_pipeline("mine", {"four": spec(*FOUR, **more)}, {})
    assert remake.targets()[1] == ["mine/four"]
    (tmp_path / "reports/convergence/mine/random").mkdir(parents=True)
    assert remake.targets()[1] == []
    shutil.rmtree(tmp_path / "reports/capabilities/cadc")
    assert remake.targets()[1] == ["mine/four"]
