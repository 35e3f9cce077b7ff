"""What every stage shares: checked parameters, its cost on record, and errors as one sentence."""

from __future__ import annotations

import gc
import resource
import sys
import time
import warnings
from collections.abc import Callable

from cadc import artifacts
from cadc.compute import console
from cadc.config.params import Params, load_params

#: Errors a user can act on: said in one line. Anything else is a defect and keeps its traceback.
_FOR_PEOPLE = (ValueError, FloatingPointError, FileNotFoundError, KeyError)


def run_stage(name: str, main: Callable[[Params], int | None]) -> None:
    """Run `main(params)` as the stage `name`; its seconds, peak memory and the rows it says it went through go to artifacts/costs, which DVC ignores."""
    started = time.perf_counter()
    warnings.filterwarnings(
        "ignore", message=".*is_gradient_checkpointing.*", category=FutureWarning
    )  # transformers' own call
    try:
        rows = main(load_params())
    except _FOR_PEOPLE as error:
        said = error.args[0] if isinstance(error, KeyError) else error  # str(KeyError) is quoted
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
