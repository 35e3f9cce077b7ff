"""Names of variants and the pipeline that makes each. A variant that several rows need is made once.

A variant on disk (pipelines/*/params.json) keeps its name and its pipeline as long as that study needs it, so that a
new study never moves a variant. New variants are named here and go to the first study that needs them.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable
from dataclasses import dataclass, field

from cadc.compose.rows import POINTERS, Asked
from cadc.compose.studies import OF_SIGNAL
from cadc.config.arms import LEVELS

ROOT = ""  # the pipeline of dvc.yaml
_LONGEST = 64  # characters in a name
#: Level -> name -> variant: the variants that a pipeline makes.
Made = dict[str, dict[str, dict]]


@dataclass
class Request:
    """The variants that a table row needs in a pipeline.

    beside: the variants behind the capabilities of `curate.by`, if that differs from the arm's signal. names: the name
    of each variant by level, once they are settled.
    """

    pipeline: str
    label: str
    variants: dict[str, Asked]
    beside: Request | None = None
    names: dict[str, str] = field(default_factory=dict)

    def content(self, level: str) -> dict:
        """A variant, with the settled names of its parents."""
        content = dict(self.variants[level].content)
        content |= {key: self.names[of] for key, of in POINTERS.items() if key in content}
        if "signal" in content:
            curate = content["curate"]
            content["signal"] = _settled(content["signal"], self.names)
            content["curate"] = curate | {"by": _settled(curate["by"], (self.beside or self).names)}
        return content


def _settled(read: str, names: dict[str, str]) -> str:
    """A folder under artifacts/ that an arm reads, with the settled name of its variant."""
    folder, _, name = read.partition("/")
    return f"{folder}/{names[OF_SIGNAL[folder]]}" if name else read


def settle(all_requests: list[Request], there: dict[str, Made]) -> dict[str, Made]:
    """Name every variant, level by level from the top of the DAG. Returns what each pipeline makes."""
    made: dict[str, Made] = {}
    for level in LEVELS:
        here = [(request, request.content(level)) for request in all_requests if level in request.variants]
        names = _names(level, here, there)
        askers: dict[str, list[str]] = {}
        for request, content in here:
            request.names[level] = names[_text(content)]
            askers.setdefault(request.names[level], []).append(request.pipeline)
        for request, content in here:
            name = request.names[level]
            if request.pipeline == _maker(level, name, askers[name], there):
                made.setdefault(request.pipeline, {}).setdefault(level, {})[name] = content
    return made


def _text(content: dict) -> str:
    return json.dumps(content, sort_keys=True)


def _names(level: str, here: list[tuple[Request, dict]], there: dict[str, Made]) -> dict[str, str]:
    """The name of each variant: the root pipeline's, else the one on disk, else a new one."""
    wanted: dict[str, str] = {}
    for request, content in here:
        wanted.setdefault(_text(content), request.variants[level].wanted)
    names = {_text(content): wanted[_text(content)] for request, content in here if request.pipeline == ROOT}
    on_disk = {_text(variant): name for made in there.values() for name, variant in made.get(level, {}).items()}
    for text in wanted:
        if text not in names and text in on_disk and on_disk[text] not in names.values():
            names[text] = on_disk[text]
    for text, name in wanted.items():
        if text not in names:
            names[text] = _free(name, text, names.values())
    return names


def _free(wanted: str, content: str, taken: Iterable[str]) -> str:
    """`wanted`, or with a hash appended if it is too long or taken."""
    if len(wanted) <= _LONGEST and wanted not in taken:
        return wanted
    return f"{wanted[: _LONGEST - 7]}_{hashlib.blake2b(content.encode(), digest_size=3).hexdigest()}"


def _maker(level: str, name: str, askers: list[str], there: dict[str, Made]) -> str:
    """The pipeline that makes a variant: the root if it needs it, else the current maker, else the first that needs
    it."""
    now = (pipeline for pipeline, made in there.items() if name in made.get(level, {}))
    return next((pipeline for pipeline in (ROOT, *now) if pipeline in askers), askers[0])
