"""The closed loop: diagnose a version, update it, try the new version, keep it or roll back.

All heavy parts run in shards, so that a killed loop resumes.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np

from cadc.compute import console
from cadc.config.metabolism import Rules
from cadc.config.params import Params
from cadc.data.lineage import Change, version_of
from cadc.evaluation.statistics import Samples
from cadc.metabolism.diagnosis import Diagnosis, failed_steps, recommend
from cadc.metabolism.index import Index
from cadc.metabolism.loop import Loop
from cadc.metabolism.mixes import Mix
from cadc.metabolism.reasoning import REASON
from cadc.metabolism.trials import Trial
from cadc.metabolism.update import State, update
from cadc.metabolism.validation import Verdict, validate

Propose = Callable[[State, list[Diagnosis], int, Rules, np.random.Generator], list[Change]]


@dataclass(frozen=True)
class Round:
    """One round: the diagnosis of the previous version, the proposed changes and the verdict.

    Without changes there is no verdict. reasoned: a summary of step-by-step answers, in words.
    """

    number: int
    version: str
    found: list[Diagnosis]
    capabilities: list[Diagnosis]
    flagged: dict[str, int]
    n_rows: int
    changes: list[Change]
    verdict: Verdict | None
    reasoned: str = ""

    @property
    def accepted(self) -> bool:
        return self.verdict is not None and self.verdict.accepted


@dataclass(frozen=True)
class Outcome:
    """The result of all rounds: all versions tried, by name, and the last accepted one.

    mixes: of the raw pool and of each accepted version.
    """

    rounds: list[Round]
    trials: dict[str, list[Trial]]
    n_rows: dict[str, int]
    changes: list[Change]
    last: str
    index: Index
    mixes: list[Mix]


def run_rounds(params: Params, propose: Propose = update) -> Outcome:
    """Run all rounds; `propose` computes the changes.

    Decisions use the probe split, the pool and the reserve. Scoring rows and noise labels are not read.
    """
    loop, asked = Loop(params), params.metabolize
    best = loop.version("round_0", [])
    trials = {best.name: loop.tried(best, last=False)}
    n_rows, rounds, tried = {best.name: best.n_rows}, [], set()
    mixes = [loop.mix(best, [])]
    for number in range(1, asked.rounds + 1):
        disagreement, judges = loop.disagreement(best, trials[best.name])
        found, capabilities, flags, spare = loop.diagnose(best, trials[best.name], disagreement)
        advised = [recommend(diagnosis, asked.rules, tried) for diagnosis in found]
        found = [
            replace(diagnosis, action=action, reason=why)
            for diagnosis, (action, why) in zip(found, advised, strict=True)
        ]
        ids, home = best.table["id"].to_pylist(), loop.home[best.origin]
        reserve = [loop.index.rows["id"][int(i)].as_py() for i in best.origin[best.n_rows :]]
        state = State(
            ids,
            home[: best.n_rows],
            flags,
            reserve,
            np.where(spare, home[best.n_rows :], -1),
            loop.rewrites(best, trials[best.name], found, flags, judges),
        )
        changes = propose(
            state, found, version_of(best.table) + 1, asked.rules, np.random.default_rng([asked.seeds[0], number])
        )
        said = ""
        if asked.reasoning is not None and not any(action == REASON for _, action in tried):
            more, said = loop.reasoned(best, found, flags, changes, np.random.default_rng([asked.seeds[0], number, 1]))
            changes = [*changes, *more]
            console.line(f"round {number}: {said}")
        verdict = None
        if changes:
            candidate = loop.version(f"round_{number}", [*best.changes, *changes])
            trials[candidate.name] = loop.tried(candidate, last=number == asked.rounds)
            n_rows[candidate.name] = candidate.n_rows
            before, after = (
                [Samples.of_table(trial.samples) for trial in trials[name]] for name in (best.name, candidate.name)
            )
            verdict = validate(before, after, asked.level, asked.bootstrap)
        console.line(f"round {number}: {failures(found)}")
        counts = {name: int(finding.flag.sum()) for name, finding in flags.items()}
        rounds.append(Round(number, best.name, found, capabilities, counts, best.n_rows, changes, verdict, said))
        console.line(f"round {number}: " + (round_summary(verdict, changes) if verdict else "no changes"))
        if not changes:
            break
        if verdict.accepted:
            best = candidate
            mixes.append(loop.mix(best, changes))
        else:
            tried |= {(diagnosis.name, diagnosis.action) for diagnosis in found}
            tried |= {("", REASON) for change in changes if change.reason == REASON}
    return Outcome(rounds, trials, n_rows, best.changes, best.name, loop.index, mixes)


def failures(found: list[Diagnosis]) -> str:
    """The failed steps of the wrong answers of all subtasks, in words."""
    counts = failed_steps(found)
    wrong = sum(counts.values())
    shares = ", ".join(f"{step} {count} ({count / wrong:.0%})" for step, count in counts.items() if count)
    return f"{wrong} wrong answers by failed step: {shares}" if wrong else "no wrong answers"


def round_summary(verdict: Verdict, changes: list[Change]) -> str:
    """The changes of a round and the verdict, in words."""
    counts = {action: sum(change.action == action for change in changes) for action in ("drop", "add", "rewrite")}
    said = ", ".join(f"{count} x {action}" for action, count in counts.items() if count)
    outcome = "accepted" if verdict.accepted else "rolled back"
    return f"{said}; {verdict.gain:+.1f} points, lower bound {verdict.low:+.1f}: {outcome}"
