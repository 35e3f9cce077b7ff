"""Distribute a stage's shards: to processes of this machine, the ranks of torchrun, or the workers of a Ray cluster.

    dvc repro attribute                                          a process per GPU or core (CADC_WORKERS=n for n)
    CADC_LAUNCHER="torchrun --nproc-per-node 8" dvc repro attribute
    torchrun --nnodes 4 --node-rank 0 --nproc-per-node 8 --master-addr HOST --master-port 29400 stages/attribute.py NAME
                                                                 on HOST, with other node ranks on other machines, in
                                                                 the same shared checkout: docs/clusters.md
    CADC_LAUNCHER="accelerate launch --config_file conf/accelerate/ddp.yaml" dvc repro finetune@random
                                                                 the proxy run, the score-net's and every fine-tuning
                                                                 by all ranks together; what other stages compute is
                                                                 split between ranks as above
    CADC_LAUNCHER=ray RAY_ADDRESS=HOST:6379 dvc repro attribute  elastic: shards of lost workers are repeated

Several machines need the checkout, with its `artifacts/`, on a shared file system at the same path. A process without
a sign of life for CADC_TIMEOUT hours (3) ends, and with it the stage; see `watch`.
"""

from __future__ import annotations

import itertools
import multiprocessing
import os
import shlex
import sys
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor, as_completed
from concurrent.futures.process import BrokenProcessPool
from contextlib import ExitStack
from datetime import timedelta
from typing import TYPE_CHECKING

from cadc.compute import console, lifeline, watch
from cadc.config.environment import whole_number
from cadc.config.errors import InputError

if TYPE_CHECKING:
    from cadc.compute.shards import Shards

_together = False  # whether all ranks work on the same shard
_left = False  # whether the other ranks have exited and only rank 0 continues
_RETRIES = 3  # how often a shard may lose its Ray worker before the stage gives up


def is_rank() -> bool:
    """Whether torchrun or accelerate has started this process as one of several."""
    return "RANK" in os.environ


def _by_accelerate() -> bool:
    return "ACCELERATE_MIXED_PRECISION" in os.environ


def rank() -> int:
    """This process's rank under torchrun; 0 elsewhere."""
    return int(os.environ.get("RANK", 0))


def team() -> tuple[int, int]:
    """(this process's rank among those working on the same shard, their number); (0, 1) for a single process."""
    return (rank(), int(os.environ["WORLD_SIZE"])) if _together else (0, 1)


def n_gpus() -> int:
    """GPUs that this process sees; 0 where torch was never imported."""
    torch = sys.modules.get("torch")
    return torch.cuda.device_count() if torch is not None else 0


def n_cores() -> int:
    """Cores that this process may use."""
    return len(os.sched_getaffinity(0))


def n_workers() -> int:
    """Number of worker processes on this machine: CADC_WORKERS, else one per GPU, else one per core that this process
    may use. Raises InputError if CADC_WORKERS is not a positive whole number."""
    return whole_number("CADC_WORKERS", 1) or n_gpus() or n_cores()


def refuse_ranks(stage: str) -> None:
    """Raise InputError under torchrun and accelerate, for stages with several rounds of shards: their ranks exit after
    the first."""
    if is_rank() or os.environ.get("CADC_LAUNCHER", "").startswith(("torchrun", "accelerate")):
        raise InputError(
            f"{stage} works in several rounds, but ranks exit after one; set CADC_LAUNCHER to processes or ray for it"
        )


def launch(shards: Shards, label: str, together: bool = False) -> None:
    """Compute all missing shards; returns when all are done. Under torchrun and accelerate, only rank 0 returns.

    With `together`, the ranks started by accelerate work on every shard together.
    """
    launcher = shlex.split(os.environ.get("CADC_LAUNCHER", "processes"))
    if is_rank():
        _as_rank(shards, label, together and _by_accelerate())
    elif launcher == ["processes"] or _by_accelerate():
        here(shards, label)
    elif launcher[0] == "torchrun":
        _check_nodes(launcher[1:])
        os.execv(sys.executable, [sys.executable, "-m", "torch.distributed.run", *launcher[1:], *sys.argv])
    elif launcher[:2] == ["accelerate", "launch"]:
        os.execv(sys.executable, [sys.executable, "-m", "accelerate.commands.launch", *launcher[2:], *sys.argv])
    elif launcher == ["ray"]:
        _ray(shards, label)
    else:
        raise InputError(
            f"CADC_LAUNCHER is {' '.join(launcher)!r}; set it to processes, ray, or torchrun or accelerate "
            "launch with its options"
        )


def _check_nodes(options: list[str]) -> None:
    """Raise InputError if torchrun's options would place rank 0, which writes a stage's outputs, on another machine:
    DVC would then record the stage before it is complete. A c10d rendezvous gives rank 0 to the first host by name."""
    from torch.distributed.run import get_args_parser

    asked = get_args_parser().parse_args([*options, "stage.py"])
    if asked.nnodes not in ("1", "1:1") and (asked.rdzv_backend != "static" or asked.node_rank != 0):
        raise InputError(
            f"CADC_LAUNCHER: torchrun {' '.join(options)}: rank 0 must run where DVC runs; for several machines, give "
            "--node-rank 0 --master-addr HOST --master-port PORT here, other node ranks there, and no --rdzv-backend "
            "(docs/clusters.md)"
        )


def n_processes(parts: int) -> int:
    """Number of processes for `parts` parts, usually at most `n_workers`. On cores (not on GPUs, whose memory one
    process may fill, and not with an explicit CADC_WORKERS), slightly more parts all run at once: three parts on two
    cores run together, instead of two and then one next to an idle core."""
    workers, shared = min(n_workers(), parts), not n_gpus() and not os.environ.get("CADC_WORKERS")
    return parts if shared and workers > 1 and parts < 2 * workers else workers


def here(shards: Shards, label: str) -> None:
    """Compute all missing shards in processes of this machine, whatever the launcher."""
    todo = shards.todo()
    workers = n_processes(len(todo))
    if workers <= 1:
        shards.run(0, 1, label)
        return
    sys.stdout.flush()
    # `fork` spares every worker its imports (seconds for torch and transformers), but CUDA and the threads of a
    # torchrun rank do not survive it.
    context = multiprocessing.get_context("spawn" if n_gpus() or "RANK" in os.environ else "fork")
    numbers = context.Value("i", 0)
    with ExitStack() as stack:
        sizes = [workers] if shards.group is None else [1] * workers
        pools = [
            stack.enter_context(
                ProcessPoolExecutor(
                    size, mp_context=context, initializer=_start_worker, initargs=(numbers, os.getpid())
                )
            )
            for size in sizes
        ]
        groups = [0 if shards.group is None else shards.group(key) % len(pools) for key in todo]
        jobs = [pools[group].submit(shards.compute, key) for group, key in zip(groups, todo, strict=True)]
        try:
            for job in console.track(as_completed(jobs), label, total=len(jobs)):
                job.result()
        except BaseException as error:
            for job in jobs:  # running jobs are waited for, and kept
                job.cancel()
            if not isinstance(error, BrokenProcessPool):
                raise
            raise InputError(
                f"{label or 'shards'}: a process was lost: see its message above, or the system killed it for lack of "
                "memory (CADC_WORKERS=1 uses least); run the stage again, finished shards are kept"
            ) from None


def _start_worker(numbers, parent: int) -> None:
    """Set up a worker: muted, ending with its parent, and on its own GPU if there are enough."""
    lifeline.end_with_parent(parent)
    console.mute()
    with numbers.get_lock():
        os.environ["CADC_GPU"] = str(numbers.value)  # not LOCAL_RANK, which accelerate would take for torchrun's
        numbers.value += 1


def _join() -> None:
    """Join the process group, once."""
    import torch
    from torch import distributed

    if distributed.is_initialized():
        return
    on_gpus = _by_accelerate() and n_gpus()
    if on_gpus:
        torch.cuda.set_device(int(os.environ["LOCAL_RANK"]) % n_gpus())
    # A barrier waits for the slowest rank, however long it takes; a rank that hangs ends itself (`watch`).
    distributed.init_process_group("cpu:gloo,cuda:nccl" if on_gpus else "gloo", timeout=timedelta(days=365))


def from_first(make: Callable[[], str]) -> str:
    """`make()` of the first rank, broadcast to all, which must all call this. Without other ranks: `make()`."""
    if not is_rank() or _left:
        return make()
    _join()
    import torch
    from torch import distributed

    made = [make() if rank() == 0 else None]
    distributed.broadcast_object_list(made, src=0, device=torch.device("cpu"))
    return made[0]


def _as_rank(shards: Shards, label: str, together: bool) -> None:
    """Compute this rank's share, or all shards together with the others. Only rank 0 continues; the others exit when
    all shards are done."""
    global _together, _left
    _join()
    from torch import distributed

    distributed.barrier()  # rank 0 has cleared the scratch folder
    if rank():
        console.mute()
    if together:
        _together = True
        if rank():
            sys.stdout = open(os.devnull, "w")  # noqa: SIM115  it stays open to the end: only rank 0 prints
        shards.run(0, 1, label)
        _together = False
    else:
        shards.run(rank(), int(os.environ["WORLD_SIZE"]), label)
    with watch.over(f"{label or 'shards'}, the other ranks", hears=shards.alive):
        distributed.barrier()
    distributed.destroy_process_group()
    _left = True
    if rank():
        raise SystemExit(0)


def _ray(shards: Shards, label: str) -> None:
    try:
        import ray
    except ImportError as error:
        raise InputError("CADC_LAUNCHER=ray needs the package ray: .uv/bin/uv pip install ray") from error
    workers = {} if os.environ.get("RAY_ADDRESS") else {"num_cpus": n_workers()}
    ray.init(log_to_driver=False, include_dashboard=False, logging_level="error", **workers)
    a_gpu = int(ray.cluster_resources().get("GPU", 0) > 0)  # of the cluster, because its head may have none
    task = ray.remote(num_gpus=a_gpu, num_cpus=1, max_retries=_RETRIES)(_as_ray_task)
    try:
        reference, waiting = ray.put(shards), []
        for key in shards.todo():
            waiting.append(task.remote(reference, key, os.getcwd()))
        for _ in console.track(itertools.count(), label, total=len(waiting)):
            if not waiting:
                break
            done, waiting = ray.wait(waiting)
            try:
                ray.get(done)
            except ray.exceptions.RayTaskError as error:
                raise error.cause from error
    finally:
        ray.shutdown()


def _as_ray_task(shards: Shards, key: object, folder: str) -> None:
    os.chdir(folder)
    console.mute()
    shards.compute(key)
