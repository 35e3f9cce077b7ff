"""What variants are called, and which pipeline makes each: what several rows share is made once.

A variant that is on disk (pipelines/*/params.json) keeps its name, and the pipeline that makes it goes on doing so
while its study asks for it: a new study takes nothing from another. Only new ones get a name, and go to the study
that asks first.
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
_LONGEST = 64  # characters of a name
#: Level -> name -> variant: what a pipeline makes.
Made = dict[str, dict[str, dict]]


@dataclass
class Request:
    """What a row asks for in a pipeline.

    beside: the request of the capabilities that its arm's `curate.by` names, where that is not its signal. names: what
    its variants are called, by level, once that is settled.
    """

    pipeline: str
    label: str
    variants: dict[str, Asked]
    beside: Request | None = None
    names: dict[str, str] = field(default_factory=dict)

    def content(self, level: str) -> dict:
        """A variant with the settled names of what it is made from."""
        content = dict(self.variants[level].content)
        content |= {key: self.names[of] for key, of in POINTERS.items() if key in content}
        if "signal" in content:
            curate = content["curate"]
            content["signal"] = _settled(content["signal"], self.names)
            content["curate"] = curate | {"by": _settled(curate["by"], (self.beside or self).names)}
        return content


def _settled(read: str, names: dict[str, str]) -> str:
    """A folder under artifacts/ that an arm reads, by the name of its variant."""
    folder, _, name = read.partition("/")
    return f"{folder}/{names[OF_SIGNAL[folder]]}" if name else read


def settle(all_requests: list[Request], there: dict[str, Made]) -> dict[str, Made]:
    """Give every variant its name, level by level from the top of the DAG down: what each pipeline makes."""
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
    """The name of each content: that of the root pipeline, else the one on disk, else a new one."""
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
    """`wanted`, or one like it where it is too long or another's."""
    if len(wanted) <= _LONGEST and wanted not in taken:
        return wanted
    return f"{wanted[: _LONGEST - 7]}_{hashlib.blake2b(content.encode(), digest_size=3).hexdigest()}"


def _maker(level: str, name: str, askers: list[str], there: dict[str, Made]) -> str:
    """Of the pipelines that ask for a variant the root's, else the one that makes it now, else the first."""
    now = (pipeline for pipeline, made in there.items() if name in made.get(level, {}))
    return next((pipeline for pipeline in (ROOT, *now) if pipeline in askers), askers[0])
