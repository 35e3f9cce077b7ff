"""PROGRESS (Chandhok et al. 2025, arXiv 2506.01085): select the next rows during training.

After a warm-up, training proceeds in rounds. Each round measures every cluster with unlocked rows, compares it with the
previous measurement, turns relative changes into shares, unlocks `gap` rows and trains on them. What the paper leaves
open is decided here; `variant: released` follows its code (MyLittleChange/PROGRESS d204855, `released_progress`):

- *Cluster features*: images by the tower of `embed`, questions by MiniLM (PROGRESS: DINO and BERT).
- *Rows that measure a cluster*: with `released`, the same number, drawn anew each time from all trained rows, so that a
  change is between different rows. Otherwise its first rows in training order, at most `rows_per_cluster`, and fewer if
  measuring would take more than `measure_share` of training. With `passes: first` each of them is trained once before
  it is measured, and not again while rows are selected: changes then show what other rows teach, or make the model
  forget.
- *The first round* needs a change, so clusters are also measured half-way through the warm-up. Without a warm-up the
  first two rounds are drawn uniformly.
- *Clusters without an unlocked row* have no change and no share: only exploration reaches them.
- *Exhausted clusters* leave their share to the others in proportion. If no cluster with a share has rows left,
  exploration fills the round.
- *Loss*: the change is the relative decrease; with `released` it is the increase, of losses over all text tokens.
- *What `released` leaves open*, by rounding down or for lack of a cluster, is drawn from all remaining rows (ours), so
  that budgets are exact.
- *Several passes* (set by the budget, as for every method; the paper has one): see `Plan.passes`. With `round`, static
  training on the resulting selection, with its rounds as stages, gives the same adapter; with `first`, static training
  on it as one stage does.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from cadc.artifacts import Selection
from cadc.config.budgets import capped_shares, largest_remainder
from cadc.config.plan import Plan
from cadc.training import released_progress as released

Measure = Callable[[np.ndarray], np.ndarray]
ROUNDS, MEASURED = 6, 12  # ids of separate random streams


def relative_change(now: np.ndarray, before: np.ndarray, epsilon: float, objective: str) -> np.ndarray:
    """(now - before) / (before + epsilon), or for a loss the decrease (before - now) / (before + epsilon): float64
    [n_clusters].

    NaN for a cluster without both measurements.
    """
    sign = -1.0 if objective == "loss" else 1.0
    return sign * (now - before) / (before + epsilon)


def priorities(change: np.ndarray, temperature: float) -> np.ndarray:
    """Softmax of `change` / `temperature` over clusters with a known change: float64 [n_clusters], zero elsewhere; all
    zero if no change is known.
    """
    p, known = np.zeros(len(change)), np.isfinite(change)
    if known.any():
        logits = change[known] / temperature
        weights = np.exp(logits - logits.max())
        p[known] = weights / weights.sum()
    return p


def tercile(value: np.ndarray, which: str, objective: str) -> np.ndarray:
    """Equal shares for the easiest, medium or hardest third of the measured clusters: float64 [n_clusters]."""
    p, known = np.zeros(len(value)), np.flatnonzero(np.isfinite(value))
    if len(known):
        easiest_first = known[np.argsort(value[known] if objective == "loss" else -value[known], kind="stable")]
        third = np.array_split(easiest_first, 3)[("easiest", "medium", "hardest").index(which)]
        p[third if len(third) else easiest_first] = 1
    return p / max(p.sum(), 1)


def draw(
    p: np.ndarray, cluster: np.ndarray, left: np.ndarray, n: int, exploration: float, rng: np.random.Generator
) -> np.ndarray:
    """`n` locked rows, in random order: int64 [n].

    round((1 - exploration) * n) of them are drawn by `p` float64 [n_clusters], the others uniformly from all remaining
    rows. Shares become whole rows by largest remainder; what a cluster lacks goes to the others; within a cluster rows
    are drawn uniformly. cluster int [n_rows], left bool [n_rows].
    """
    room = np.bincount(cluster[left], minlength=len(p)) * (p > 0)
    shares = capped_shares(p, room, min(round((1 - exploration) * n), int(room.sum())))
    by_priority = [
        rng.choice(np.flatnonzero(left & (cluster == k)), shares[k], replace=False) for k in np.flatnonzero(shares)
    ]
    chosen = np.concatenate([*by_priority, np.empty(0, np.int64)]).astype(np.int64)
    others = left.copy()
    others[chosen] = False
    return rng.permutation(np.concatenate([chosen, rng.choice(np.flatnonzero(others), n - len(chosen), replace=False)]))


def released_draw(p: np.ndarray, cluster: np.ndarray, left: np.ndarray, n: int, rng: np.random.Generator) -> np.ndarray:
    """`n` locked rows by the released rule: shares rounded down, then rows of clusters without a share; the rest is
    drawn from all remaining rows (ours). In random order: int64 [n]."""
    rows = np.flatnonzero(left)
    counts = released.counts(p, np.bincount(cluster[rows], minlength=len(p)), n)
    chosen = [rng.choice(rows[cluster[rows] == k], counts[k], replace=False) for k in np.flatnonzero(counts)]
    others = rng.permutation(rows[p[cluster[rows]] == 0])[: released.explored(n)]
    first = np.concatenate([*chosen, others]).astype(np.int64)
    more = rng.permutation(np.setdiff1d(rows, first))[: n - len(first)]
    return rng.permutation(np.concatenate([first, more]))


class Adaptive:
    """A schedule of `n_examples` examples on `n` rows, selected round by round. Slice it like an array, front to back.

    cluster int32 [n_rows]; warm_up int64 [n_warm_up], the first rows to unlock. measure(rows) -> float64 [len(rows), 2]
    returns loss and accuracy of unlocked rows under the current model; unlock(rows) is called before rows are measured
    or returned. All draws depend only on `seed` and the round. Raises ValueError if the pool has fewer than `n` rows or
    the warm-up more.
    """

    def __init__(
        self,
        plan: Plan,
        cluster: np.ndarray,
        warm_up: np.ndarray,
        n: int,
        n_examples: int,
        seed: int,
        measure: Measure,
        unlock: Callable[[np.ndarray], None],
    ):
        if not len(warm_up) <= n <= len(cluster):
            raise ValueError(
                f"a warm-up of {len(warm_up)} rows, a budget of {n} and a pool of {len(cluster)} don't fit together"
            )
        self.plan, self.cluster, self.seed, self._measure, self._unlock = (
            plan,
            np.asarray(cluster),
            seed,
            measure,
            unlock,
        )
        self.n_clusters = int(self.cluster.max()) + 1
        gap = max(1, round(plan.gap * n))
        sizes = [len(warm_up), *np.diff([*range(len(warm_up), n, gap), n]).tolist()]
        self._sizes, self._length = np.array(sizes), max(n_examples, n)
        self._examples = self._sizes if plan.passes == "first" else largest_remainder(self._sizes, self._length)
        starts = np.cumsum(self._examples)[:-1].tolist()
        half = [int(self._examples[0]) // 2] if len(warm_up) and starts else []
        #: Numbers of examples. The model is measured before the first batch that exceeds one. A round begins after each
        #: mark, except for `half`.
        self.marks: list[int] = [*half, *starts]
        self._n_halves = len(half)
        self._row, self._stage, self._p = (
            np.asarray(warm_up, np.int64),
            np.zeros(len(warm_up), np.int32),
            np.ones(len(warm_up), np.float32),
        )
        self._order = np.resize(self._row, int(self._examples[0]))
        self._passed = 0
        affordable = 3 * plan.measure_share * self._length / max(1, len(self.marks) * self.n_clusters)
        #: Maximum number of rows that measure a cluster.
        self.rows_per_cluster = max(1, min(plan.rows_per_cluster, int(affordable)))
        self._values = np.full((len(self.cluster), 2), np.nan)  # last measured loss and accuracy of each row
        self._history: list[np.ndarray] = []
        self._unlock(self._row)

    def __len__(self) -> int:
        return self._length

    def __getitem__(self, examples: slice) -> np.ndarray:
        stop = min(examples.stop, len(self))
        while self._passed < len(self.marks) and self.marks[self._passed] < stop:
            self._pass_mark()
        return self._order.take(np.arange(examples.start, stop), mode="wrap")

    def selection(self) -> Selection:
        """The rows unlocked so far. stage: the round (0 is the warm-up); capability: the cluster; weight: the cluster's
        share in that round (1 in the warm-up).
        """
        return Selection(self._row, self._p, self.cluster[self._row].astype(np.int32), self._stage)

    def history(self) -> np.ndarray:
        """float64 [n_marks, n_clusters, 6]: loss, accuracy, relative change, share, rows measured, rows unlocked
        before.
        """
        return np.stack([*self._history, np.empty((self.n_clusters, 6))])[:-1]

    def state(self) -> dict[str, np.ndarray]:
        """Everything that later rounds depend on, as arrays; `load` restores it."""
        return {
            "row": self._row,
            "stage": self._stage,
            "p": self._p,
            "values": self._values,
            "passed": np.array([self._passed]),
            "history": self.history(),
        }

    def load(self, state: dict[str, np.ndarray]) -> None:
        self._row, self._stage, self._p, self._values = (state[name] for name in ("row", "stage", "p", "values"))
        self._passed, self._history = int(state["passed"][0]), list(state["history"])
        self._unlock(self._row)
        rounds = [self._row[self._stage == k] for k in range(max(self._passed - self._n_halves, 0) + 1)]
        self._order = np.concatenate([np.resize(rows, n) for rows, n in zip(rounds, self._examples, strict=False)])

    def _tracked(self, mark: int) -> np.ndarray:
        """The rows that measure their clusters after `mark` examples, in training order, or in drawing order for
        `released`: int64."""
        kept, count, rows = [], np.zeros(self.n_clusters, np.int64), list(dict.fromkeys(self._order[:mark].tolist()))
        if self.plan.variant == "released":
            rows = self._rng(self._passed, MEASURED).permutation(rows).tolist()
        for row in rows:
            k = self.cluster[row]
            if count[k] < self.rows_per_cluster:
                kept.append(row)
                count[k] += 1
        return np.array(kept, np.int64)

    def _means(self, values: np.ndarray, which: np.ndarray) -> np.ndarray:
        """Mean of `values` float64 [n_rows, 2] over each cluster's rows in `which`: float64 [n_clusters, 2], NaN
        without rows.
        """
        counts = np.bincount(self.cluster[which], minlength=self.n_clusters)
        sums = np.stack([np.bincount(self.cluster[which], values[which, i], self.n_clusters) for i in range(2)], 1)
        return np.divide(sums, counts[:, None], out=np.full((self.n_clusters, 2), np.nan), where=counts[:, None] > 0)

    def _pass_mark(self) -> None:
        tracked, before = self._tracked(self.marks[self._passed]), self._values
        self._values = before.copy()
        if len(tracked):
            self._values[tracked] = self._measure(tracked)
        column = ("loss", "accuracy").index(self.plan.objective)
        both = tracked[np.isfinite(before[tracked, column])]
        value = self._means(self._values, tracked)
        if self.plan.variant == "released":
            change, p = self._as_released(value[:, column], tracked)
        else:
            now, then = (self._means(values, both)[:, column] for values in (self._values, before))
            change = relative_change(now, then, self.plan.epsilon, self.plan.objective)
            p = (
                priorities(change, self.plan.temperature)
                if self.plan.order == "change"
                else tercile(value[:, column], self.plan.order, self.plan.objective)
            )
        counts = [np.bincount(self.cluster[rows], minlength=self.n_clusters) for rows in (tracked, self._row)]
        self._history.append(np.stack([*value.T, change, p, *counts], 1))
        self._passed += 1
        if self._passed > self._n_halves:
            self._next_round(self._passed - self._n_halves, p)

    def _as_released(self, now: np.ndarray, tracked: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """The change of each cluster and its share in the next round, as released: float64 [n_clusters] each."""
        column = ("loss", "accuracy").index(self.plan.objective)
        before = self._history[-1][:, column] if self._history else np.full(self.n_clusters, np.nan)
        left = np.bincount(self.cluster[~np.isin(np.arange(len(self.cluster)), self._row)], minlength=self.n_clusters)
        n_now = np.bincount(self.cluster[tracked], minlength=self.n_clusters)
        change = released.change(now, before, n_now)
        if self.plan.order == "change":
            return change, released.shares(change, left, self.plan.temperature)
        p, which = np.zeros(self.n_clusters), {"medium": "mid"}.get(self.plan.order, self.plan.order)
        gap = int(self._sizes[max(1, self._passed + 1 - self._n_halves)])  # of the next round
        taken = released.control(-now if self.plan.objective == "loss" else now, left, gap, which)
        p[taken] = left[taken] / max(1, left[taken].sum())
        return change, p

    def _rng(self, number: int, stream: int) -> np.random.Generator:
        return np.random.default_rng([self.seed, int(self._sizes.sum()), number, stream])

    def _next_round(self, stage: int, p: np.ndarray) -> None:
        rng, n = self._rng(stage, ROUNDS), int(self._sizes[stage])
        left = ~np.isin(np.arange(len(self.cluster)), self._row)
        if self.plan.variant == "released" and self.plan.order == "change":
            rows = released_draw(p, self.cluster, left, n, rng)
        else:
            explored = self.plan.exploration if self.plan.variant == "paper" else 0.0  # released controls don't explore
            rows = draw(p, self.cluster, left, n, explored, rng)
        self._unlock(rows)
        self._row, self._stage = np.append(self._row, rows), np.append(self._stage, np.full(len(rows), stage, np.int32))
        self._p = np.append(self._p, p[self.cluster[rows]].astype(np.float32))
        self._order = np.append(self._order, np.resize(rows, int(self._examples[stage])))
