"""`cadc`: from a file of rows to a training file, and what is said of it."""

import json
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from cadc.cli import curate, project, selections
from cadc.cli.__main__ import from_here, main, parser
from cadc.config.errors import InputError
from cadc.config.targets import target_name
from cadc.world.mini_world import write_pool

UV = project.ROOT / ".uv/bin/uv"


@pytest.fixture(scope="module")
def data(world, tmp_path_factory):
    """A small world's rows as people have them, in a folder with a name that grammars trip over."""
    folder = tmp_path_factory.mktemp('mine [1], 50% "new"')
    write_pool(folder, world.model_copy(update={"rows": 40}), np.random.default_rng(5))
    return folder / "pool.json"


def given(data, tmp_path, *more):
    asked = ["curate", str(data), "--images", str(data.parent / "images"), "--model", "mini", "--budget", "10%"]
    asked += ["--out", str(tmp_path / "out/subset.json"), "--work", str(tmp_path / "work"), *more]
    return parser().parse_args(asked)


@pytest.mark.parametrize(
    ("budget", "share"),
    [("10%", 0.1), ("0.1", 0.1), ("100%", 1.0), ("1.0", 1.0), ("100", 0.1), ("1", 0.001), ("0.5%", 0.005)],
)
def test_a_budget_is_a_share_or_a_number_of_rows(budget, share):
    assert curate.share_of(budget, 1000) == share


def test_a_number_of_rows_is_met_where_shares_go_in_finer_steps():
    assert curate.share_of("131", 1300) == 0.101  # round(0.101 * 1300) = 131


@pytest.mark.parametrize(
    ("budget", "said"),
    [("lots", "give a share"), ("0", "at least one row"), ("nan", "at least one row"),
     ("5.0", "500% .* write 5 for a number of"), ("101%", "at most all"), ("1001", "at most all"),
     ("12345", r"12345 of 99999 rows.*nearest is 12.3%, 12300 rows"), ("0.01%", "nearest is 0.1%, 100 rows")],
)  # fmt: skip
def test_a_budget_that_can_t_be_is_refused_with_one_that_can(budget, said):
    with pytest.raises(InputError, match=said):
        curate.share_of(budget, 99999 if budget in ("12345", "0.01%") else 1000)


def params_of(data, tmp_path, *more):
    asked = given(data, tmp_path, *more)
    params = project.params_of(asked.method, 0.1, asked.seed, curate.overrides(asked, 40))
    curate.for_targets(params, asked)
    return params


def test_params_have_the_one_arm_and_what_it_is_made_from(data, tmp_path):
    made = params_of(data, tmp_path, "--method", "el2n", "--seed", "4")
    assert made["arms"]["el2n"]["seeds"] == [4] and made["arms"]["el2n"]["rows"] == "selections"
    kept = {level: list(made[level]) for level in ("arms", "proxies", "feature_sets", "captures", "discoveries")}
    assert kept == {
        "arms": ["el2n"],
        "proxies": ["default"],
        "feature_sets": ["default"],
        "captures": [],
        "discoveries": [],
    }
    assert made["data"]["path"] == str(data.parent) and made["data"]["annotations"] == "pool.json"
    assert params_of(data, tmp_path, "--method", "progress")["arms"]["progress"]["rows"] == "adapters"


def test_dvc_watches_a_pattern_s_folder_and_no_hub_id(data, tmp_path):
    rows = tmp_path / "rows [1]/part"
    rows.mkdir(parents=True)
    for shard in range(2):
        pq.write_table(pa.table({"id": [str(shard)]}), rows / f"train-0000{shard}-of-00002.parquet")
    pattern = rows.parent / "*/train-*.parquet"
    asked = parser().parse_args(["curate", str(pattern), "--model", "org/name", "--budget", "50%", "--out", "a.json"])
    made = project.params_of("random", 0.5, 0, curate.overrides(asked, 2))
    assert made["data"]["path"] == made["data"]["images"] == made["data"]["watched"] == str(rows.parent)
    assert made["data"]["annotations"] == "*/train-*.parquet"
    assert made["model"]["path"] == "org/name" and made["model"]["watched"] == "models/README.md"
    assert params_of(data, tmp_path, "--method", "random")["data"]["watched"] == str(data)


def test_a_method_that_aims_at_something_takes_a_file_of_rows_or_says_that_it_needs_one(data, tmp_path):
    target = tmp_path / "my, rows.json"
    target.write_text("[]")
    made = params_of(data, tmp_path, "--method", "cadc", "--target", str(target))
    (aimed,) = made["capture"]["targets"]
    assert made["discoveries"]["cadc"]["discover"]["targets"] == [aimed]
    assert Path(aimed).resolve() == target and target_name(aimed) == "my, rows"
    assert params_of(data, tmp_path, "--method", "cadc", "--target", str(target)) == made
    target.write_text("[ ]")  # DVC sees what a target is called alone
    (other,) = params_of(data, tmp_path, "--method", "cadc", "--target", str(target))["capture"]["targets"]
    assert other != aimed and Path(other).read_text() == "[ ]"
    with pytest.raises(InputError, match="--method cadc needs a target; give --target"):
        params_of(data, tmp_path, "--method", "cadc", "--target", "none")
    with pytest.raises(InputError, match="gone.json: no such file"):
        params_of(data, tmp_path, "--target", "gone.json")
    with pytest.raises(InputError, match=r"^--target mmbench_en_dev is neither a benchmark \(mmbench_en_dev_static, "):
        params_of(data, tmp_path, "--target", "mmbench_en_dev")
    with pytest.raises(InputError, match="^--target gqa: set --benchmarks to a folder that holds it"):
        params_of(data, tmp_path, "--target", "gqa", "--method", "random")


def test_what_is_wrong_is_one_sentence(data, tmp_path, capsys):
    common = ["--model", "mini", "--budget", "10%", "--out", str(tmp_path / "a.json"), "--work", str(tmp_path / "w")]
    for arguments, said in (
        (["curate", str(tmp_path / "none.json"), *common], "none.json: no such file"),
        (["curate", str(data), "--images", str(tmp_path / "none"), *common], "--images"),
        (["curate", str(data), "--method", "best", *common], "no arm or method best; known: cadc"),
        (["curate", str(data), "--set", "pool.unknown_tokens", *common], "give KEY=VALUE"),
        (["curate", str(data), "--method", "full", *common], "give --budget 100%"),
        (["curate", str(data), "--method", "random", "--seed", "-1", *common], "seeds.0 = -1"),
        (["curate", str(data), "--method", "random", *common[:-1], str(data)], "can't be created"),
        (["explain", "7", str(tmp_path / "none.json")], "give a file written by `cadc curate --out`"),
    ):
        assert main(arguments) == 1
        (line,) = capsys.readouterr().err.splitlines()
        assert line.startswith(f"cadc {arguments[0]}: ") and said in line


def test_a_project_is_laid_out_once_and_no_other_folder_is_touched(data, tmp_path):
    params, work = params_of(data, tmp_path, "--method", "random"), tmp_path / "work"
    project.lay_out(work, params)
    (work / "stages/old.py").write_text("")
    before = {path: path.stat().st_mtime_ns for path in work.rglob("*") if path.is_file()}
    project.lay_out(work, params)
    after = {path: path.stat().st_mtime_ns for path in work.rglob("*") if path.is_file()}
    assert before.keys() - after.keys() == {work / "stages/old.py"} and after.items() <= before.items()
    subprocess.run(["git", "init", "-q"], cwd=tmp_path, check=True)
    asked = ["git", "status", "--short", "--untracked-files=all", "work"]
    assert not subprocess.run(asked, cwd=tmp_path, check=True, capture_output=True).stdout
    other = tmp_path / "theirs/stages/mine.py"
    other.parent.mkdir(parents=True)
    other.write_text("")
    with pytest.raises(InputError, match="theirs: holds other files"):
        project.lay_out(tmp_path / "theirs", params)
    assert other.exists()


def test_half_a_lock_that_a_killed_dvc_has_left_is_put_aside(tmp_path):
    locks = [tmp_path / "work" / name for name in (".dvc/tmp/rwlock", "dvc.lock", "pipelines/export/dvc.lock")]
    with project.held(tmp_path / "work"):
        for lock in locks:
            lock.parent.mkdir(parents=True, exist_ok=True)
            lock.write_text("")
    with project.held(tmp_path / "work"):
        assert not any(lock.exists() for lock in locks)


def test_a_project_is_held_by_one_call_and_by_its_stages_after_a_kill(tmp_path):
    with project.held(tmp_path / "work") as lock:
        outlives = subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE, pass_fds=(lock,))
        with pytest.raises(InputError, match="another `cadc curate` is using it"), project.held(tmp_path / "work"):
            pass
    with pytest.raises(InputError, match="its stages still run after a kill"), project.held(tmp_path / "work"):
        pass
    outlives.communicate(b"\n")
    with project.held(tmp_path / "work"):
        pass


def test_a_copy_without_git_has_no_commit(tmp_path, monkeypatch):
    monkeypatch.setattr(curate, "ROOT", tmp_path)
    assert curate.made_by() == {}


def run_curate(data, tmp_path, *more, method="random"):
    out = tmp_path / "chosen/subset.json"
    asked = ["curate", str(data), "--images", str(data.parent / "images"), "--model", "mini", "--method", method]
    asked += ["--budget", "10%", "--out", str(out), "--work", str(tmp_path / "work"), *more]
    return main(asked), out


def test_rows_are_chosen_written_compared_and_explained(data, tmp_path, capfd):
    status, out = run_curate(data, tmp_path)
    assert status == 0
    chosen, rows = json.loads(out.read_text()), {row["id"]: row for row in json.loads(data.read_text())}
    assert len(chosen) == 4 and all(rows[row["id"]] == row for row in chosen)
    said = capfd.readouterr().out
    assert f"{out}: 4 of 40 rows, by random" in said and "CPU seconds" in said
    lock, first = (tmp_path / "work/dvc.lock").read_bytes(), out.read_bytes()
    ids = out.with_suffix(".txt")
    assert run_curate(data, tmp_path, "--format", "ids", "--out", str(ids))[0] == 0  # only `export` is made again
    assert (tmp_path / "work/dvc.lock").read_bytes() == lock and out.read_bytes() == first
    assert ids.read_text().split() == [row["id"] for row in chosen]
    assert json.loads(out.with_suffix(".manifest.json").read_text())["files"] == ["subset.json", "subset.txt"]
    capfd.readouterr()
    assert main(["explain", chosen[0]["id"], str(out)]) == 0
    assert f"row {chosen[0]['id']} is selected, position 0 in training" in capfd.readouterr().out
    assert run_curate(data, tmp_path, "--dry-run")[0] == 0
    said = capfd.readouterr().out
    assert "  prepare\n  pool\n" in said and "export@random" in said and "score" not in said


def test_nothing_is_run_where_something_is_missing(data, tmp_path, capfd):
    asked = ["curate", str(data), "--images", str(data.parent / "images"), "--model", "nobody/nothing", "--budget"]
    asked += ["10%", "--method", "random", "--out", str(tmp_path / "a.json"), "--work", str(tmp_path / "work")]
    assert main(asked) == 1
    said = capfd.readouterr().err
    assert "model: hf download nobody/nothing\n" in said and said.endswith(
        "missing: model, tower. See above for what to do.\n"
    )
    assert not (tmp_path / "work/dvc.lock").exists() and not (tmp_path / "work/artifacts").exists()


def test_doctor_outside_a_clone_takes_paths_from_here_and_all_else_as_it_is(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "conf").mkdir()  # somebody else's
    (tmp_path / "mine").mkdir()
    assert from_here("data.path=mine") == f'data.path="{tmp_path / "mine"}"'
    for override in ("~arms.random", "data.path=gone", "data=mine", "data.yesno="):
        assert from_here(override) == override
    assert main(["doctor", "--help"]) == 0 and "[section.key=value]" in capsys.readouterr().out
    assert main(["doctor", "profile=nobody"]) == 1 and "llava-1.5-7b mini own" in capsys.readouterr().err


def test_an_end_from_outside_is_no_traceback(monkeypatch, capfd):
    for error, status in ((KeyboardInterrupt, 130), (BrokenPipeError, 0)):
        monkeypatch.setattr(selections, "compare", lambda *_, error=error: (_ for _ in ()).throw(error))
        monkeypatch.setattr("os.dup2", lambda *_: None)
        assert main(["compare", "a", "b"]) == status
    assert capfd.readouterr().err == "\ncadc compare: interrupted\n"


def test_an_installed_package_lays_out_the_same_project(data, tmp_path):
    if not UV.is_file():
        pytest.skip("no .uv/bin/uv here (`make .venv/.installed` makes it), by which a wheel is built")
    source = tmp_path / "source"
    ignore = shutil.ignore_patterns("__pycache__")
    for name in ("src", "stages", "conf", "models", "towers", "pipelines"):
        shutil.copytree(project.ROOT / name, source / name, ignore=ignore)
    for name in ("pyproject.toml", "README.md", "LICENSE", "dvc.yaml", "requirements.lock", ".dvcignore"):
        shutil.copyfile(project.ROOT / name, source / name)
    made = subprocess.run([UV, "build", "-q", "--wheel", "-o", tmp_path, source], capture_output=True, text=True)
    if made.returncode:
        pytest.skip(f"no wheel can be built here: {made.stderr.strip().splitlines()[-1:]}")
    (wheel,) = tmp_path.glob("*.whl")
    subprocess.run([UV, "venv", "-q", "--python", sys.executable, tmp_path / "venv"], check=True)
    (site,) = (tmp_path / "venv/lib").glob("python*/site-packages")
    (site / "others.pth").write_text(str(Path(np.__file__).parents[1]))  # the packages, but not this repository
    install = [UV, "pip", "install", "-q", "--no-deps", "--python", tmp_path / "venv/bin/python", wheel]
    subprocess.run(install, check=True)
    (tmp_path / "empty").mkdir()
    asked = [
        "curate",
        data,
        "--images",
        data.parent / "images",
        "--model",
        "mini",
        "--method",
        "random",
        "--budget",
        "10%",
    ]
    asked += ["--out", "subset.json", "--dry-run"]
    ran = subprocess.run([tmp_path / "venv/bin/cadc", *asked], cwd=tmp_path / "empty", capture_output=True, text=True)
    assert ran.returncode == 0, ran.stderr
    assert "export@random" in ran.stdout
    asked = [tmp_path / "venv/bin/cadc", "doctor", "data=folder", "data.path=../mine"]
    (tmp_path / "mine").mkdir()
    ran = subprocess.run(asked, cwd=tmp_path / "empty", capture_output=True, text=True)
    assert ran.returncode == 1 and not ran.stderr, ran.stderr
    assert f"{tmp_path}/mine" in ran.stdout and "ok       model: models/mini" in ran.stdout
    here = project.ROOT / "src/cadc/selectors/random.py"
    assert (tmp_path / "empty/cadc-work/src/cadc/selectors/random.py").read_bytes() == here.read_bytes()
