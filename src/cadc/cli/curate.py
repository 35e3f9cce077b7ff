"""`cadc curate`: select rows of your own data with a method and write them as a training file."""

from __future__ import annotations

import argparse
import contextlib
import hashlib
import math
import os
import subprocess
import sys
import warnings
from importlib.metadata import version
from pathlib import Path
from typing import get_args

from omegaconf import OmegaConf

from cadc.artifacts import read_json, run_name
from cadc.cli import outputs
from cadc.cli.project import ROOT, held, lay_out, params_of
from cadc.compose.files import composed
from cadc.config.arms import Variant, percent
from cadc.config.budgets import n_selected
from cadc.config.errors import InputError
from cadc.config.evaluation import Export
from cadc.config.params import Params, checked, of_variant
from cadc.config.targets import is_file
from cadc.data.records import read_records
from cadc.evaluation.aims import aims_at, check_targets
from cadc.export.manifest import commit_of

FORMATS = get_args(get_args(Export.model_fields["formats"].annotation)[0])


def share_of(budget: str, n_rows: int) -> float:
    """A budget (`10%`, `0.1`, or a number of rows) as a share of the data's rows, in steps of 0.001.

    Raises InputError if it is none of these, selects no row, or more rows than there are.
    """
    try:
        value = float(budget.removesuffix("%"))
    except ValueError:
        raise InputError(f"--budget {budget}: give a share (10% or 0.1) or a number of rows (5000)") from None
    is_share = budget.endswith("%") or "." in budget or value < 1
    share = value / 100 if budget.endswith("%") else value if is_share else value / n_rows
    if not 0 < share <= 1:
        said = f"{share:.0%}" if is_share else f"{value:g}"
        pointed = "." in budget and "%" not in budget and value > 1
        raise InputError(
            f"--budget {budget}: {said} of {n_rows} rows; give at least one row and at most all"
            + (f". A number with a point is a share; write {value:g} for a number of rows" if pointed else "")
        )
    steps = round(share * 1000)
    wanted = share * n_rows
    if not steps or abs(steps / 1000 * n_rows - wanted) >= 0.5:  # rounding would change the number of rows
        near = max(1, round(share * 1000))
        raise InputError(
            f"--budget {budget}: {wanted:g} of {n_rows} rows, but budgets come in steps of 0.1%; "
            f"the nearest is {near / 10:g}%, {n_selected(near / 1000, n_rows)} rows"
        )
    return steps / 1000


def quoted(key: str, value: str) -> str:
    """An override with a text value, quoted for Hydra's grammar."""
    text = value.replace("\\", "\\\\").replace('"', '\\"')
    return f'{key}="{text}"'


def sizes(n_rows: int) -> list[str]:
    """Overrides with numbers of clusters for a pool of this size, by the rules of conf/data."""
    return [
        f"sizes.report_clusters={max(2, round(math.sqrt(n_rows)))}",
        f"sizes.semdedup_clusters={max(1, n_rows // 66)}",  # 66 rows per cluster, as in COINCIDE's experiments
        f"sizes.concept_clusters={max(2, round(10_000 * math.sqrt(n_rows / 665_298)))}",  # COINCIDE's, scaled by sqrt
    ]


def folder_of(data: Path) -> Path:
    """The folder of the rows; of a pattern such as `*/train-*.parquet`, the deepest one without a wildcard."""
    return next(path for path in data.resolve().parents if path.is_dir())


def images_of(given: argparse.Namespace) -> Path:
    """The folder that image paths are relative to."""
    return given.images.resolve() if given.images else folder_of(given.data)


def overrides(given: argparse.Namespace, n_rows: int) -> list[str]:
    """The arguments as overrides of conf/. Raises InputError if a file or folder is missing."""
    data, folder, images = given.data.resolve(), folder_of(given.data), images_of(given)
    if not images.is_dir():
        raise InputError(f"--images {given.images}: no such folder")
    is_profile = (ROOT / f"conf/profile/{given.model}.yaml").is_file()
    model = Path(given.model).resolve() if Path(given.model).is_dir() else given.model
    made = [f"profile={given.model}"] if is_profile else ["profile=own", quoted("model.path", str(model))]
    if not is_profile and not isinstance(model, Path):
        made.append("model.watched=models/README.md")  # DVC can't watch a hub id; the hub's snapshot does not change
    made += ["data=folder", quoted("data.path", str(folder)), quoted("data.annotations", str(data.relative_to(folder)))]
    watched = data if data.exists() else folder  # DVC can't watch a pattern
    made += [quoted("data.images", str(images)), quoted("data.watched", str(watched))]
    made += ["data.choice=null", "data.yesno=null", *sizes(n_rows)]
    if given.benchmarks:
        made.append(quoted("data.probe", str(given.benchmarks.resolve())))
    targets = [name for name in given.target or [] if name != "none"]
    for name in targets:
        if is_file(name) and not Path(name).is_file():
            raise InputError(f"--target {name}: no such file")
    for pair in given.set:
        if "=" not in pair:
            raise InputError(f"--set {pair}: give KEY=VALUE, such as --set pool.on_bad_row=skip")
    named = [str(seen(Path(name).resolve(), given.work)) if is_file(name) else name for name in targets]
    made.append("capture.targets=[" + ",".join(quoted("", name)[1:] for name in named) + "]")
    made += [f"export.formats=[{given.format}]", f"export.images={given.paths}"]
    return made + given.set


def seen(target: Path, work: Path) -> Path:
    """A link to a target file, at a path that contains its digest: DVC notices changed rows only by a changed path."""
    with target.open("rb") as file:
        digest = hashlib.file_digest(file, "sha256").hexdigest()
    link = work.resolve() / "targets" / digest[:16] / target.name
    link.parent.mkdir(parents=True, exist_ok=True)
    link.unlink(missing_ok=True)
    link.symlink_to(target)
    return link


def read_of(given: argparse.Namespace) -> set[Path]:
    """The input files, as resolved paths."""
    return {given.data.resolve()} | {Path(name).resolve() for name in given.target or [] if is_file(name)}


def for_targets(params: dict, given: argparse.Namespace) -> None:
    """Set the discoveries' targets. Raises InputError if the method needs a target and none is given, or if a target is
    missing."""
    targets = params["capture"]["targets"]
    if aims_at(params["arms"][given.method]["signal"]) and not targets:
        raise InputError(
            f"--method {given.method} needs a target; give --target ROWS.json with examples of the task to improve, or "
            "choose a method that needs none: random, el2n, perplexity, coincide, semdedup, ..."
        )
    for discovery in params["discoveries"].values():
        discovery["discover"]["targets"] = targets
    try:
        check_targets(unscored(params), params)
    except InputError as error:
        said = str(error).replace("capture.targets:", "--target").replace("data.probe", "--benchmarks")
        raise InputError(said) from None


def unscored(params: dict) -> Params:
    """The checked parameters, without scored benchmarks. Raises InputError naming every invalid parameter."""
    made = checked(params, "--set")
    return made.model_copy(update={"evaluate": made.evaluate.model_copy(update={"tasks": []})})


def dvc(work: Path, *arguments: str, **how) -> subprocess.CompletedProcess:
    """Run DVC in the project folder, with this Python and the project's copy of the code."""
    path = os.pathsep.join([str(Path(sys.executable).parent), os.environ.get("PATH", "")])
    environment = os.environ | {"PATH": path, "PYTHONPATH": str(work.resolve() / "src")}
    return subprocess.run([sys.executable, "-m", "dvc", *arguments], cwd=work, env=environment, **how)


def stages_before(work: Path, stage: str) -> list[str]:
    """Names of a stage and all stages that it depends on, in order of execution."""
    asked = dvc(work, "dag", "--dot", stage, capture_output=True, text=True)
    if asked.returncode:
        said = " ".join(asked.stderr.split())
        raise InputError(f"{work}: DVC can't read this project ({said}); delete the folder, or give another as --work")
    names = [line.strip('";') for line in asked.stdout.splitlines() if line.startswith('"') and "->" not in line]
    return [name.rpartition(":")[2] for name in names]


def run(given: argparse.Namespace) -> int:
    """Select rows and write them; returns the exit status. Raises InputError for invalid arguments."""
    outputs.check(given.out, given.format, read_of(given), given.work)
    try:
        n_rows = sum(1 for _ in read_records(given.data.resolve()))
    except InputError as error:
        raise InputError(str(error).replace("set data.annotations to", "give")) from None
    if not n_rows:
        raise InputError(f"{given.data}: holds no rows; give a file that has some")
    share = share_of(given.budget, n_rows)
    if given.method == "full" and share < 1:
        raise InputError(f"--method full takes all rows; give --budget 100%, not {given.budget}, or another method")
    with held(given.work) as lock:
        params = params_of(given.method, share, given.seed, overrides(given, n_rows))
        for_targets(params, given)
        lay_out(given.work, params)
        stage = f"pipelines/export/dvc.yaml:export@{given.method}"
        stages = stages_before(given.work, stage)
        with contextlib.chdir(given.work):  # models/mini is there
            look(params, given, stages)
        if given.dry_run:
            print(f"\n{given.data}: {n_rows} rows. Stages in {given.work} (finished ones are skipped):")
            print("\n".join(f"  {name}" for name in stages))
            return 0
        sys.stdout.flush()
        if status := dvc(given.work, "repro", stage, pass_fds=(lock,)).returncode:
            print(
                "cadc curate: not finished. If a stage above asks for KEY: VALUE, pass --set KEY=VALUE. Run the same "
                f"command again to resume from {given.work}.",
                file=sys.stderr,
            )
            return status
        made = outputs.deliver(export_of(given), given.out, given.format, made_by())
    tell(given, made, share, n_rows, stages)
    return 0


def look(params: dict, given: argparse.Namespace, stages: list[str]) -> None:
    """Print what the stages are missing; with `--dry-run`, print all checks and the estimated cost.

    Raises InputError if something required is missing. Too little memory or disk on this machine is only reported.
    """
    warnings.filterwarnings("ignore", category=FutureWarning)  # transformers' own
    offline = os.environ.get("HF_HUB_OFFLINE")
    os.environ["HF_HUB_OFFLINE"] = "1"  # read at import, so that only models on this machine count as present
    from cadc.doctor.examine import MACHINE, examined  # these import torch
    from cadc.doctor.show import show

    os.environ.pop("HF_HUB_OFFLINE") if offline is None else os.environ.__setitem__("HF_HUB_OFFLINE", offline)
    made, arms = unscored(params), {given.method: of_variant(params, Variant("arms", given.method)).arm}
    mini = checked(OmegaConf.to_container(composed(["profile=mini"], ROOT / "conf")), "conf")
    found = examined(made, arms, mini, stages)
    if given.dry_run:
        show(found, made)
    else:
        for one in found.missing():
            print(f"{one.what}: {one.text}", file=sys.stderr)
    if missing := [one.what for one in found.missing(but=MACHINE)]:
        raise InputError(f"not started, because this is missing: {', '.join(missing)}. See above for what to do.")


def made_by() -> dict[str, str]:
    """Version of an installed package, or commit of a clone; empty if git knows no commit."""
    if ROOT.name == "_project":
        return {"version": version("cadc")}
    try:
        return {"commit": commit_of(ROOT)}
    except (InputError, OSError):  # no git, or not a git clone: a run must not fail for that
        return {}


def export_of(given: argparse.Namespace) -> Path:
    """The folder of the export in the project."""
    return given.work / "artifacts/export" / given.method / run_name(given.seed)


def tell(given: argparse.Namespace, manifest: dict, share: float, n_rows: int, stages: list[str]) -> None:
    """Print what was written, where image paths start, and what the run cost.

    n_rows: rows of the data; share: the budget as a share of them.
    """
    of_pool = manifest["pool"]["rows"]
    print(f"\n{given.out}: {manifest['different_rows']} of {of_pool} rows, by {given.method}")
    if of_pool != n_rows:
        print(
            f"  {given.data} has {n_rows} rows but the pool has {of_pool}. The budget is {percent(share)} of the pool: "
            f"{n_selected(share, of_pool)} rows instead of {n_selected(share, n_rows)}. "
            f"{given.work}/artifacts/pool/skipped.json lists the skipped rows."
        )
    for source, count in sorted(manifest["by_source"].items(), key=lambda item: -item[1])[:10]:
        print(f"  {count:>8} of {source}")
    print(f"Manifest: {outputs.beside(given.out, 'manifest.json')}. Reason for each row: "
          f"{outputs.beside(given.out, 'why.parquet')}.")  # fmt: skip
    if root := {"data.images": images_of(given), ".": given.out.parent}.get(manifest["images"]["relative_to"]):
        print(f"Image paths are relative to {root.resolve()}.")
    if given.format == "llama_factory":
        print(f"Data set name in {given.out.with_name('dataset_info.json')}: {given.out.stem}.")
    costs = [given.work / f"artifacts/costs/{stage}.json" for stage in stages]
    spent = sum(read_json(path).get("cpu_seconds", 0) for path in costs if path.is_file())
    print(f"The {len(stages)} stages took {spent:.0f} CPU seconds, including those finished in earlier calls.")
    print(f"Running the same command again resumes from {given.work}.")
