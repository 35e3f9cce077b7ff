"""What every stage shares: checked parameters, its cost on record, and errors for people as one line."""

from __future__ import annotations

import gc
import resource
import sys
import time
import warnings
from collections.abc import Callable

from cadc import artifacts
from cadc.compute import console
from cadc.config.arms import Variant
from cadc.config.errors import InputError
from cadc.config.params import Params, load_params


def run_stage(name: str, main: Callable[[Params], int | None], variant: Variant | None = None) -> None:
    """Run `main(params)` as the stage `name`, with the parameters of `variant` where the stage has variants.

    Its seconds, peak memory and the rows that it says it went through go to artifacts/costs, which DVC ignores. An
    InputError is shown as one line; any other error is a defect and keeps its traceback.
    """
    name = f"{name}@{variant.name}" if variant else name
    started = time.perf_counter()
    message = ".*is_gradient_checkpointing.*"  # transformers' own call
    warnings.filterwarnings("ignore", message=message, category=FutureWarning)
    try:
        rows = main(load_params(variant))
    except InputError as error:
        raise SystemExit(f"{name}: {error}") from (error if "--debug" in sys.argv else None)
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
