"""The parts of a round of the loop: versions of the pool, their trials, diagnosis and rewrites."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import pyarrow as pa

from cadc import artifacts
from cadc.cleaning import rewriting
from cadc.cleaning.findings import Findings
from cadc.cleaning.flags import COPIES, any_flag, model_free, recorded
from cadc.cleaning.reasoning import eligible
from cadc.compute.endpoint import Endpoint
from cadc.config.errors import InputError
from cadc.config.params import Params
from cadc.data.lineage import Change, apply_lineage
from cadc.metabolism import consistency, coverage, reasoning
from cadc.metabolism.asking import ask_again
from cadc.metabolism.attribution import attribute
from cadc.metabolism.diagnosis import Diagnosis, Holdings, Replies, findings, group_scores
from cadc.metabolism.index import FOLDER, both_views, build_index, fitting_reserve
from cadc.metabolism.mixes import Mix, mix_of
from cadc.metabolism.trials import Trial, try_version

TARGETS = {"mmt_val": "mmt_val", "mini_vqa": "mini_vqa", "pope_adv": "pope", "pope_pop": "pope", "pope_random": "pope"}
_POPE = {"adversarial": "pope_adv", "popular": "pope_pop", "random": "pope_random"}


@dataclass(frozen=True)
class Version:
    """A version of the pool: its changes and rows, and the model-free checks of its rows and the reserve's.

    Arrays over n + n_reserve hold the version's rows, then the reserve's.
    """

    name: str
    changes: list[Change]
    table: pa.Table
    origin: np.ndarray  # int64 [n + n_reserve]: rows of the index
    turns: list[list[dict]]
    flags: dict[str, Findings]  # of the version's rows
    keeper: np.ndarray  # int64 [n]
    spare: np.ndarray  # bool [n_reserve]: reserve rows that may be added

    @property
    def n_rows(self) -> int:
        return self.table.num_rows


def probe_order(samples: pa.Table, probe: pa.Table, targets: list[str]) -> np.ndarray:
    """The probe row of each sample: int64 [n_samples]. targets: of each probe row.

    Raises InputError if samples and probe rows are not the same questions.
    """
    place: dict[str, list[int]] = {}
    for row, (name, target) in enumerate(zip(probe["id"].to_pylist(), targets, strict=True)):
        place.setdefault(_POPE[name.split()[1]] if target == "pope" else target, []).append(row)
    asked = list(zip(samples["task"].to_pylist(), samples["doc"].to_pylist(), strict=True))
    answers = [turns[-1]["text"] for turns in probe["turns"].to_pylist()]
    known = all(doc < len(place.get(task, ())) for task, doc in asked)
    order = np.array([place[task][doc] for task, doc in asked] if known else [], np.int64)
    if not known or any(answers[row] != said for row, said in zip(order, samples["answer"].to_pylist(), strict=True)):
        raise InputError(
            f"{artifacts.PROBE}: its questions or their order differ from those that lmms-eval asked; "
            "run `dvc repro prepare`"
        )
    return order


class Loop:
    """Shared by all rounds: the index, and the probe rows with their groups."""

    def __init__(self, params: Params):
        self.params, self.asked = params, params.metabolize
        self._stepped: set[str] = set()  # rows sent to an endpoint for step-by-step answers
        targets = sorted({TARGETS[task] for task in self.asked.tasks})
        made = build_index(params, fitting_reserve(params), targets)
        self.index, self.probe, subtasks, self.target = made
        kinds = [name.replace(" (yes)", "").replace(" (no)", "") for name in subtasks]
        self.names, group = np.unique(kinds, return_inverse=True)
        self.group, self.subtasks = group.astype(np.int64), subtasks
        self.views = both_views(self.index.sentence, self.index.image)
        self.home = coverage.homes(self.index.sentence, self.index.probe_sentence, self.group, self.asked.near)

    def version(self, name: str, changes: list[Change]) -> Version:
        """The version that `changes` turn the raw pool into."""
        index = self.index
        table = apply_lineage(index.pool, index.reserve, changes)
        ids = table["id"].to_pylist()
        taken = {change.source for change in changes if change.action == "add"}
        left = [i for i, row in enumerate(index.reserve["id"].to_pylist()) if row not in taken]
        origin = np.concatenate([index.origins(ids, changes), index.n_pool + np.array(left, np.int64)])
        meant = np.zeros(len(origin), bool)
        in_reserve = set(index.reserve["id"].to_pylist())
        copies = {change.row for change in changes if change.action == "add" and change.source not in in_reserve}
        meant[: len(ids)] = [row in copies for row in ids]
        turns = [*table["turns"].to_pylist(), *index.reserve["turns"].take(left).to_pylist()]
        names = ids + [index.rows["id"][int(i)].as_py() for i in origin[len(ids) :]]
        picture, files = index.picture[origin], index.files[origin]
        n = len(ids)
        flags, keeper = model_free(names[:n], turns[:n], picture[:n], files[:n], meant[:n], self.params.clean)
        changed = {change.row for change in changes if change.action != "drop"}
        flags |= recorded(artifacts.CLEANING / "findings.parquet", ["" if row in changed else row for row in ids])
        spare = ~any_flag(model_free(names, turns, picture, files, meant, self.params.clean)[0], len(names))[n:]
        return Version(name, changes, table, origin, turns, flags, keeper, spare)

    def mix(self, version: Version, made_by: list[Change]) -> Mix:
        """The mix of a version; `made_by` are its changes since the previous version."""
        home = self.home[version.origin[: version.n_rows]]
        reserve = set(self.index.reserve["id"].to_pylist())
        return mix_of(version.name, version.table["source"].to_pylist(), home, self.names.tolist(), made_by, reserve)

    def tried(self, version: Version, last: bool) -> list[Trial]:
        """The version's trials.

        Every model also judges the rows of probed kinds, except copies, rows flagged by text checks, and rows with
        step-by-step answers. In the last round no rows are judged.
        """
        n, home = version.n_rows, self.home[version.origin]
        worth = np.concatenate([(version.keeper == np.arange(n)) & ~any_flag(version.flags, n), version.spare])
        worth &= (home >= 0) & ~reasoning.of_rows(version.turns)
        look = np.flatnonzero(worth) if not last else np.empty(0, np.int64)
        reserve = self.index.rows.take(version.origin[n:])
        return try_version(self.params, version.name, version.table, reserve, self.index.n_pool, look)

    def disagreement(self, version: Version, trials: list[Trial]) -> tuple[Findings, np.ndarray]:
        """The rows of the version and the reserve that its models disagree with, and the models that never saw a row.

        The second is bool [n_models, n + n_reserve].
        """
        n, total = version.n_rows, len(version.origin)
        look = np.load(FOLDER / "versions" / version.name / "look.npy")
        keeper = np.concatenate([version.keeper, np.arange(n, total)])
        loss, exact = (np.full((len(trials), total), np.nan) for _ in range(2))
        for k, trial in enumerate(trials):
            loss[k, look], exact[k, look] = trial.measured.T
        judges = consistency.unseen([trial.draw for trial in trials], keeper)
        return consistency.disagreement(
            loss[:, keeper], exact[:, keeper], judges, self.asked.agree, self.asked.doubt
        ), judges

    def diagnose(
        self, version: Version, trials: list[Trial], disagreement: Findings
    ) -> tuple[list[Diagnosis], list[Diagnosis], dict[str, Findings], np.ndarray]:
        """Evidence on every subtask and capability, all flags of the version's rows, and the spare rows.

        The last is bool [n_reserve]: reserve rows that may be added.
        """
        n, index, home = version.n_rows, self.index, self.home[version.origin]
        order = probe_order(trials[0].samples, self.probe, self.target)
        turns = self.probe["turns"].to_pylist()
        said, blind = (
            [trial["prediction"].to_pylist() for trial in each]
            for each in ([t.samples for t in trials], [t.blind for t in trials])
        )
        questions, answers = ([turns[row][k]["text"] for row in order] for k in (0, 1))
        chance = trials[0].samples["chance"].to_numpy()
        score = np.stack([trial.samples["score"].to_numpy() for trial in trials])
        replies = Replies(questions, answers, chance, said, blind, score)
        attributed = attribute(self.params, version.name, trials, replies, self.probe["images"], order)
        replies = replace(replies, attribution=attributed)
        trusted = np.append(group_scores(self.group[order], replies) >= self.asked.trust, False)[home]
        own = version.origin[:n]
        asked_for, given = coverage.asked_and_given(version.turns[:n])
        conflict = coverage.conflicts(asked_for, given, index.picture[own], index.image[own].any(1))
        flags = version.flags | {
            "conflict": conflict,
            consistency.CHECK: Findings(
                disagreement.score[:n], disagreement.flag[:n] & trusted[:n], disagreement.evidence[:n]
            ),
        }
        spare = version.spare & ~(disagreement.flag & trusted)[n:]
        distance = coverage.distances(
            both_views(index.probe_sentence, index.probe_image), self.views[own], self.asked.neighbors
        )[order]
        held = Holdings(distance, home[:n], conflict.score, any_flag(flags, n), np.where(spare, home[n:], -1))
        found = findings(self.names.tolist(), self.group[order], replies, held)
        return found, self.by_capability(order, replies, held), flags, spare

    def by_capability(self, order: np.ndarray, replies: Replies, held: Holdings) -> list[Diagnosis]:
        """The same evidence by capability, if `discover` has run.

        A kind of rows belongs to the capability of most of its probe rows.
        """
        path = artifacts.CAPABILITIES / "capabilities.json"
        of = {entry["name"]: entry["capability"] for entry in artifacts.read_json(path)} if path.is_file() else {}
        if not set(self.subtasks) <= set(of):
            return []
        numbers, capability = np.unique([of[name] for name in self.subtasks], return_inverse=True)
        main = np.array(
            [np.bincount(capability[self.group == g]).argmax() for g in range(len(self.names))] + [-1]
        )  # -1 for rows without a kind
        by_capability = replace(held, home=main[held.home], reserve_home=main[held.reserve_home])
        return findings([f"capability {number}" for number in numbers], capability[order], replies, by_capability)

    def rewrites(
        self,
        version: Version,
        trials: list[Trial],
        found: list[Diagnosis],
        flags: dict[str, Findings],
        judges: np.ndarray,
    ) -> dict:
        """New answers for flagged rows of the subtasks to rewrite: row -> (before, after)."""
        n = version.n_rows
        which = np.array([diagnosis.action == "rewrite" for diagnosis in found])[self.home[version.origin[:n]]] & (
            self.home[version.origin[:n]] >= 0
        )
        bad = any_flag({name: finding for name, finding in flags.items() if name != COPIES}, n)
        rows = np.flatnonzero(which & bad & rewriting.single_exchanges(version.turns[:n]))
        if not len(rows):
            return {}
        if self.asked.url is not None:
            answers = rewriting.asked_of(Endpoint(self.asked.url, self.asked.model), version.table, rows)
        else:
            said = ask_again(self.params, version.name, trials, rows)
            answers = consistency.agreed(
                said, judges[:, rows], [version.turns[row][1]["text"] for row in rows], self.asked.agree
            )
        return rewriting.accepted(version.turns, rows, answers, self.params.clean)

    def reasoned(
        self,
        version: Version,
        found: list[Diagnosis],
        flags: dict[str, Findings],
        changes: list[Change],
        rng: np.random.Generator,
    ) -> tuple[list[Change], str]:
        """Give a share of the version's rows step-by-step answers. Returns the further changes and a summary in words.

        Rows that are flagged or already changed are excluded. No row is sent twice, because the reply would be the
        same.
        """
        n, ids = version.n_rows, version.table["id"].to_pylist()
        spoken_for = self._stepped | {change.row for change in changes}
        able = eligible(version.turns[:n]) & ~any_flag(flags, n) & np.array([row not in spoken_for for row in ids])
        share, home = self.asked.reasoning, self.home[version.origin[:n]]
        rows = reasoning.drawn(able, home, found, round(share * n), rng)
        self._stepped |= {ids[row] for row in rows}
        return reasoning.reasoned(self.params, version.table, rows)
