"""The frame of every stage: checked parameters, a record of its cost, and one-line errors for people."""

from __future__ import annotations

import gc
import os
import resource
import sys
import time
import warnings
from collections.abc import Callable

from cadc import ISA, STARTED_BY, artifacts
from cadc.compute import console, disk, lifeline
from cadc.config.arms import Variant
from cadc.config.environment import refuse_other_encodings
from cadc.config.errors import InputError
from cadc.config.params import Params, load_params

#: Stage -> the parameter that bounds its device memory; for all other stages, the number of processes.
_BOUNDS = {
    **dict.fromkeys(("attribute", "capture", "match", "features", "contrast", "operations"), "capture.batch_tokens"),
    "proxy": "proxy.micro_batch (or set model.gradient_checkpointing: true)",
    "score_net": "proxy.micro_batch (or set model.gradient_checkpointing: true)",
    "finetune": "finetune.micro_batch (or set model.gradient_checkpointing: true)",
    "crossfit": "proxy.micro_batch where it trains, capture.batch_tokens where it judges",
    "score": "evaluate.batch_size",
    "gate": "finetune.micro_batch where it trains, evaluate.batch_size where it asks",
    "metabolize": "finetune.micro_batch where it trains, evaluate.batch_size where it asks",
}


def out_of_memory(error: Exception, stage: str) -> str | None:
    """What to do about an out-of-memory error, on a GPU or on the host; None for any other error."""
    kind, said = type(error).__name__, str(error).strip().partition("\n")[0]
    lower = _BOUNDS.get(stage, "CADC_WORKERS, the number of processes")
    if kind in ("OutOfMemoryError", "AcceleratorError") and "out of memory" in said:
        return f"the GPU is out of memory ({said}); lower {lower}"
    if isinstance(error, MemoryError) or "can't allocate memory" in said:
        more = "" if lower.startswith("CADC_WORKERS") else ", or CADC_WORKERS, the number of processes"
        return f"the machine is out of memory ({said or kind}); lower {lower}{more}"
    if kind == "BrokenProcessPool" or ("DataLoader worker" in said and "killed" in said):
        return (
            f"a process was killed, most likely because the host ran out of memory ({said}); lower CADC_WORKERS, the "
            f"number of processes, or CADC_LOADERS, or {lower}"
        )
    return None


def on_its_isa(isa: str) -> None:
    """Use the instruction set of `compute.isa`: restart this process if it was started with another one, because
    libraries choose theirs once, when they are loaded."""
    if os.environ.get("CADC_ISA", "avx2") != isa:
        kept = {name: value for name, value in os.environ.items() if name not in ISA}
        told = {"CADC_ISA": isa, "CADC_STARTED_BY": str(STARTED_BY)}
        os.execve(sys.executable, [sys.executable, *sys.orig_argv[1:]], kept | told)


def _params_of(variant: Variant | None) -> Params:
    """The stage's parameters. In an experiment, an InputError also says how to undo the values set with -S, because DVC
    leaves them in params.yaml."""
    try:
        return load_params(variant)
    except InputError as error:
        if "DVC_EXP_BASELINE_REV" not in os.environ:
            raise
        raise InputError(f"{error}\nparams.yaml keeps what -S set; `git restore params.yaml` restores it") from None


def run_stage(name: str, main: Callable[[Params], int | None], variant: Variant | None = None) -> None:
    """Run `main(params)` as the stage `name`, with the parameters of `variant` if the stage has variants.

    Its seconds, peak memory and returned number of rows are written to artifacts/costs, which DVC ignores. InputErrors
    and a lack of memory or disk are shown as one line; any other error is a defect and keeps its traceback. The stage
    ends if the DVC that runs it ends.
    """
    stage = name
    name = f"{name}@{variant.name}" if variant else name
    started = time.perf_counter()
    message = ".*is_gradient_checkpointing.*"  # transformers' own call
    warnings.filterwarnings("ignore", message=message, category=FutureWarning)
    try:
        refuse_other_encodings()
        params = _params_of(variant)
        on_its_isa(params.compute.isa)
        lifeline.end_with_dvc()
        disk.refuse_closed()
        rows = main(params)
    except InputError as error:
        raise SystemExit(f"{name}: {error}") from (error if "--debug" in sys.argv else None)
    except Exception as error:
        if (said := disk.trouble(error) or out_of_memory(error, stage)) is None:
            raise
        raise SystemExit(f"{name}: {said}") from (error if "--debug" in sys.argv else None)
    usage = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    cost = {
        "seconds": round(time.perf_counter() - started, 1),
        "cpu_seconds": round(sum(u.ru_utime + u.ru_stime for u in usage), 1),
        "peak_memory_mb": round(max(u.ru_maxrss for u in usage) / 1024),
        **({"rows": rows} if rows else {}),
    }
    artifacts.write_json(artifacts.COSTS / f"{name}.json", cost)
    console.line(f"{name}: {cost['seconds']} s, {cost['peak_memory_mb']} MB")
    gc.collect()
