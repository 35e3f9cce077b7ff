"""Print the findings and estimates."""

from __future__ import annotations

from cadc.compute import console
from cadc.config.params import Params
from cadc.doctor.checks import Finding
from cadc.doctor.estimate import Work, host_of, speed
from cadc.doctor.examine import Examined


def _count(number: float) -> str:
    return f"{number / 1e9:.2f} billion" if number >= 1e8 else f"{number / 1e6:.2f} million"


def _show(title: str, findings: list[Finding]) -> None:
    if findings:
        console.line(f"\n{title}")
        for finding in findings:
            console.line(f"  {'ok     ' if finding.there else 'MISSING'}  {finding.what}: {finding.text}")


def _time(seconds: float) -> str:
    return (
        f"{seconds / 3600:,.0f} h"
        if seconds >= 36000
        else f"{seconds / 60:,.0f} min"
        if seconds >= 600
        else f"{seconds:,.0f} s"
    )


def _size(number: float) -> str:
    return f"{number / 1e9:,.1f} GB" if number >= 1e8 else f"{number / 1e6:,.0f} MB"


def _show_works(made: list[Work], params: Params) -> None:
    rate, workers, name = speed(params)
    header = ["stage", "rows", "TFLOP", "processes", "time", "device", "host", "disk"]
    rows = [
        [
            work.stage,
            f"{work.rows:,.0f}",
            f"{work.flops / 1e12:,.1f}",
            str(work.processes(workers)),
            _time(work.seconds(rate, workers)),
            _size(work.memory),
            _size(work.processes(workers) * work.host),
            _size(work.disk),
        ]
        for work in made
    ]
    rows.append(
        [
            "all",
            f"{sum(work.rows for work in made):,.0f}",
            f"{sum(work.flops for work in made) / 1e12:,.1f}",
            "",
            _time(sum(work.seconds(rate, workers) for work in made)),
            _size(max(work.memory for work in made)),
            _size(host_of(made, workers)),
            _size(sum(work.disk for work in made)),
        ]
    )
    console.line("")
    console.table(f"Estimate of `dvc repro`: time on {name}; memory of a device and of the host", header, rows)
    console.line("Times are accurate to a factor of two for large models; for small ones, program start-up dominates.")


def show(found: Examined, params: Params) -> None:
    """Print all findings, and the estimated cost of the stages."""
    for title, findings in found.findings.items():
        _show(title, findings)
    if found.works:
        size = found.size
        console.line(
            f"\n{params.model.path}: {_count(size.parameters)} parameters, LoRA {_count(size.lora)}; "
            f"{'; '.join(found.assumed)}."
        )
        _show_works(found.works, params)
    elif found.size is None:
        console.line(f"\nNo estimate: {params.model.path} is not on this machine, and its shapes are not known here.")
