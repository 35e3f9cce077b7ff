"""The root's report, from small results alone: what is in it, and that it is the same bytes every time."""

from pathlib import Path

import pytest
import small_results

from cadc import artifacts
from cadc.config.errors import InputError
from cadc.report import capabilities, leaderboard, rounds, seconds, selections
from cadc.report.stated import Stated

REPOSITORY = Path.cwd()


@pytest.fixture
def arms(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    return small_results.write_root(REPOSITORY)


def write():
    stated = Stated()
    table = leaderboard.make(stated, 40)
    plots = artifacts.fresh(artifacts.REPORTS / "plots")
    leaderboard.write(table, stated, plots)
    capabilities.write(stated, plots)
    rounds.write(stated, plots)
    return table


def test_all_is_written_from_small_results_and_the_same_every_time(arms):
    def files():
        return {str(path): path.read_bytes() for path in Path("reports").rglob("*") if path.is_file()}

    write()
    before = files()
    write()
    assert files() == before and not Path("artifacts").exists()
    for name in ("leaderboard.md", "metrics.json", "subtasks.csv", "capabilities.md", "rounds.md"):
        assert f"reports/{name}" in before
    for page in ("leaderboard", "capabilities", "rounds"):
        text = before[f"reports/{page}.md"].decode()
        pictures = [line.split("](")[1].rstrip(")") for line in text.splitlines() if line.startswith("![")]
        assert pictures and all(f"reports/{picture}" in before for picture in pictures), page


def test_arms_stand_best_first_and_are_compared_with_random_rows(arms):
    table = write()
    scores = [line.mean("relative") for line in table.lines]
    assert scores == sorted(scores, reverse=True) and {line.arm for line in table.lines} == set(arms)
    assert table.first == "random" and table.difference(next(x for x in table.lines if x.arm == "cadc")) is not None


def test_metrics_are_few_figures_an_arm_and_no_key_has_a_dot(arms):
    write()
    made = artifacts.read_json(Path("reports/metrics.json"))
    assert set(made) == set(arms)
    for name, figures in made.items():
        assert "." not in name and not any("." in key for key in figures) and len(figures) <= 8
        assert {"relative", "corrected"} < set(figures) <= {"relative", "corrected"} | small_results.HEADLINES
        assert all(round(value, 2) == value for value in figures.values())


def test_what_was_selected_is_told_of_the_pool_s_facts(arms):
    facts = selections.load_facts()
    assert facts.skipped == 3 and len(facts.source) == small_results.N_POOL
    assert "| full | 100.0 | 25.0 | 25.0 | 25.0 | 20.0 | 50.0 |" in selections.composition({"full": "full"}, facts)
    shares = selections.task_shares({"full": "full"}, facts).splitlines()
    assert shares[2:] == ["| pool | 50.0 | 50.0 |", "| full | 50.0 | 50.0 |"]


@pytest.mark.parametrize(
    ("path", "command"),
    [
        ("arms/cadc/samples.parquet", "score@cadc"),
        ("capabilities/cadc/facts.json", "discover@cadc"),
        ("pool.parquet", "facts"),
        ("operations.json", "operations"),
    ],
)
def test_what_is_not_there_is_named_with_the_command_that_makes_it(arms, path, command):
    (Path("reports") / path).unlink()
    with pytest.raises(InputError, match=f"run `dvc repro {command}`"):
        write()


def test_seconds_are_written_only_where_stages_ran(arms):
    table = write()
    seconds.write(table)
    assert not Path("reports/costs.md").exists()
    cost = {"seconds": 2.0, "cpu_seconds": 6.0, "peak_memory_mb": 100}
    artifacts.write_json(artifacts.COSTS / "finetune@random.json", cost | {"rows": 50})
    artifacts.write_json(artifacts.COSTS / "curate@random.json", cost)
    seconds.write(table)
    text = Path("reports/costs.md").read_text()
    assert "| finetune@random | 2.0 | 6.0 | 100 | 25 |" in text and "| all | 4.0 | 12.0 | 100 |  |" in text
    line = next(line for line in text.splitlines() if line.startswith("| random, 5% |"))
    cost = next(one.cost for one in table.lines if one.arm == "random")
    counted = " | ".join(f"{x / 1e12:.1f}" for x in (cost.selection, cost.tuning, cost.together))
    assert line.startswith(f"| random, 5% | {counted} | 6.0 | 2.0 |")  # three seeds
    assert "kWh" not in text and "endpoint" not in text


def test_energy_and_what_endpoints_were_asked_stand_in_the_one_table_of_costs(arms, monkeypatch):
    table = write()
    monkeypatch.setenv("CADC_WATTS", "1800")
    cost = {"seconds": 2.0, "cpu_seconds": 6.0, "peak_memory_mb": 100}
    artifacts.write_json(artifacts.COSTS / "finetune@random.json", cost | {"seconds": 6.0})
    for k in range(2):
        record = {"model": "judge-1", "prompt": f"p{k}", "reply": "7", "requests": 1 + k, "refused": k}
        record |= {"prompt_tokens": 100, "completion_tokens": 5}
        artifacts.write_json(Path(f".endpoint/ab/{k}.json"), record)
    seconds.write(table)
    lines = Path("reports/costs.md").read_text().splitlines()
    head = next(line for line in lines if line.startswith("|  | selection, TFLOP"))
    columns = [cell.strip() for cell in head.split("|")[1:-1]]
    found = {cells[0]: cells[1:] for cells in ([c.strip() for c in line.split("|")[1:-1]] for line in lines) if cells}
    assert all(len(found[name]) == len(columns) - 1 for name in ("random, 5%", "cadc, 5%", "endpoint: judge-1"))
    assert found["finetune@random"][:3] == ["6.0", "6.0", "0.003"]  # 6 s at 1800 W are 10,800 J
    assert found["random, 5%"][3:7] == ["", "", "2.0", "0.001"]  # of one of three seeds
    assert found["endpoint: judge-1"][-4:] == ["3", "200", "10", ""]
    Path(".endpoint/ab/0.json").write_text("{")
    seconds.write(table)  # a broken reply says so in a line, and fails no report
    assert "endpoint: judge-1" not in Path("reports/costs.md").read_text()


def test_watts_that_are_none_are_an_error_for_people(monkeypatch):
    for said in ("much", "0", "-5", "nan", "inf"):
        monkeypatch.setenv("CADC_WATTS", said)
        with pytest.raises(InputError, match="CADC_WATTS is .*set it to this machine's power draw in watts"):
            seconds.watts()


def test_stages_are_drawn_where_there_are_several(arms):
    write()
    assert Path("reports/plots/stages_cadc.png").exists()
    small_results.write_arm("cadc", 0.5, 20, arms["cadc"]["seeds"])
    write()
    assert not Path("reports/plots/stages_cadc.png").exists()  # it would be one bar
    assert "stages_cadc" not in Path("reports/leaderboard.md").read_text()


@pytest.mark.parametrize("tasks", [("llava_in_the_wild",), ("pope_adv",), ("mmt_val",), ("mini_vqa",)])
def test_one_benchmark_alone_makes_a_leaderboard(arms, tasks):
    for name, arm in arms.items():
        small_results.write_arm(name, 0.6, 20, arm["seeds"], 1, arm["method"] == "progress", tasks=tasks)
    assert write().judged == "relative"


def test_where_full_data_score_nothing_nothing_is_relative_to_them(arms):
    """A figure that is no number ranks no rows, and is no JSON."""
    small_results.write_arm("full", 0.0, 20, arms["full"]["seeds"])
    assert write().judged == "corrected_mean"
    text = Path("reports/metrics.json").read_text()
    assert "NaN" not in text and "corrected" in text


def test_a_defect_of_the_report_keeps_its_traceback(arms, monkeypatch):
    """A KeyError's text is a key, and a ValueError's may be numpy's: neither tells a person what to do."""
    for error in (KeyError("corrected_mean"), ValueError("operands could not be broadcast")):
        monkeypatch.setattr("cadc.report.tables.arm_of", lambda *_, error=error: (_ for _ in ()).throw(error))
        with pytest.raises(type(error)) as raised:
            write()
        assert not isinstance(raised.value, InputError)
