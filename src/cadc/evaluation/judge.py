"""The judge of LLaVA-in-the-Wild, MMBench and HallusionBench: any OpenAI-compatible endpoint, or a small built-in one
that is deterministic.

lmms-eval calls judges in three ways at two kinds of address, and hides failures: a dead or unparsable judge scores
100.0 in LLaVA-in-the-Wild, a guess in MMBench and "unclear" in HallusionBench. So it always talks to our server on
127.0.0.1, which judges itself or calls the endpoint through `cadc.compute.endpoint`. Each prompt is paid for once,
lmms-eval never sees the key, and failures are errors.
"""

from __future__ import annotations

import json
import os
import re
import threading
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from cadc.compute.endpoint import Endpoint
from cadc.compute.replies import EndpointError
from cadc.config.errors import InputError
from cadc.config.evaluation import Judge


class JudgeError(InputError):
    """The judge gave no usable score. The message names the questions and what to check."""


def word_f1(answer: str, reference: str) -> float:
    """F1 of the words in two texts, ignoring punctuation and order, in [0, 1] (as SQuAD's token F1)."""
    words, wanted = (Counter(re.findall(r"\w+", text.lower())) for text in (answer, reference))
    shared = sum((words & wanted).values())
    return 2 * shared / (sum(words.values()) + sum(wanted.values())) if shared else 0.0


def judge_reply(prompt: str) -> str:
    """`10 S`: the reference gets 10 points, the model's answer 10 times its word F1 with the reference.

    Raises ValueError if the prompt does not hold two answers in lmms-eval's layout.
    """
    # The model's answer may contain such marks itself, so match up to the last one.
    layout = r"\[(\S+) 1\]\n(.*?)\n\n\[End of \1 1\]\s*\[\1 2\]\n(.*)\n\n\[End of \1 2\]"
    found = re.search(layout, prompt, flags=re.DOTALL)
    if found is None:
        raise ValueError("the prompt does not contain answers 1 and 2")
    return f"10 {10 * word_f1(found[3], found[2]):.1f}"


def _two_numbers(reply: str) -> str:
    """Check the reply, because lmms-eval takes any first digits: 1 from `10 1e9`, 8 and 10 from `8/10 7/10`, and 2 and
    10 from `Assistant 2 deserves 10`."""
    words = re.findall(r"[^\s,;]*\w[^\s,;]*", reply.strip().split("\n")[0])
    points = [re.fullmatch(r"[^\w+:/-]*(\d+(?:\.\d+)?)[^\w+:/-]*", word) for word in words]
    if len(points) != 2 or not all(found and float(found[1]) <= 10 for found in points):
        raise ValueError("its first line must hold exactly two numbers from 0 to 10")
    return reply


def _verdict(reply: str) -> str:
    if not re.search("correct|unclear", reply, flags=re.IGNORECASE):
        raise ValueError("it must say correct, incorrect or unclear")
    return reply


def _letter(reply: str) -> str:
    if len(set(re.findall(r"\b[A-E]\b", reply))) != 1:
        raise ValueError("it must name exactly one letter from A to E")
    return reply


#: How lmms-eval parses a reply, by how its prompt begins: LLaVA-in-the-Wild, HallusionBench, MMBench. Later words may
#: come from the answer that is judged.
_USABLE = {
    "[Context]\n": _two_numbers,
    "Imagine you are an intelligent teacher": _verdict,
    "You are an AI assistant who will help me to match an answer with several options": _letter,
}

#: Seconds that HallusionBench and MMBench wait for a reply, minus one; afterwards they retry or give up.
PATIENCE = 29.0


@dataclass
class Asked:
    """The judge behind `url`. `of`: its name; `failure`: why a prompt got no usable reply."""

    url: str
    of: str
    failure: str | None = None

    def check(self) -> None:
        """Raise JudgeError if any prompt failed so far, because lmms-eval scores failures."""
        if self.failure is not None:
            raise JudgeError(f"the judge at {self.of} failed: {self.failure}")


def _reply(asked: Asked, endpoint: Endpoint | None, prompt: str) -> str:
    """The judge's reply to one prompt of lmms-eval. A failure ends the run, so nothing is asked after it."""
    if asked.failure is not None:
        return "no reply"
    try:
        if endpoint is None:
            return judge_reply(prompt)
        started = time.monotonic()
        read = next((read for beginning, read in _USABLE.items() if prompt.startswith(beginning)), str)
        reply = endpoint.ask([prompt], read)[0]
        if time.monotonic() - started > PATIENCE and read is not _two_numbers:  # `check_scores` finds the others
            asked.failure = (
                f"a reply took more than {PATIENCE:g} s, and lmms-eval ignores it then; "
                "replies are cached, so run it again"
            )
        return reply
    except Exception as error:  # any error: lmms-eval would score even a broken connection
        asked.failure = str(error) or type(error).__name__
        return "no reply"


def _handler(asked: Asked, endpoint: Endpoint | None) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        def do_POST(self):
            request = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            content = request["messages"][-1]["content"]
            text = content if isinstance(content, str) else "".join(part.get("text", "") for part in content)
            message = {"role": "assistant", "content": _reply(asked, endpoint, text)}
            completion = {
                "id": "judge",
                "object": "chat.completion",
                "created": 0,
                "model": request.get("model", ""),
                "choices": [{"index": 0, "finish_reason": "stop", "message": message}],
                "usage": {"prompt_tokens": 0, "completion_tokens": 0, "total_tokens": 0},
            }
            body = json.dumps(completion).encode()
            self.send_response(200)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_):
            pass

    return Handler


@contextmanager
def judge(params: Judge) -> Iterator[Asked]:
    """Point lmms-eval to a judge on a free port of 127.0.0.1 while the context is open.

    Enter it before loading lmms-eval's tasks. With `url: null` the judge is the built-in one. Otherwise it forwards
    prompts with the key from OPENAI_API_KEY, which is hidden from lmms-eval meanwhile. Raises JudgeError if there is no
    key.
    """
    endpoint = None
    if params.url is not None:
        try:
            endpoint = Endpoint(params.url, params.model, max_tokens=1024)
        except EndpointError as error:
            raise JudgeError(f"evaluate.judge.url: {error}") from None
    asked = Asked("", params.url or "127.0.0.1")
    server = ThreadingHTTPServer(("127.0.0.1", 0), _handler(asked, endpoint))
    asked.url = f"http://127.0.0.1:{server.server_port}/v1"
    threading.Thread(target=server.serve_forever, daemon=True).start()
    settings = {
        "API_TYPE": "openai",
        "OPENAI_API_URL": asked.url,
        "MODEL_VERSION": params.model,
        "OPENAI_API_KEY": "none",
    }
    before = {name: os.environ.get(name) for name in settings}
    os.environ.update(settings)
    try:
        yield asked
    finally:
        for name, value in before.items():
            os.environ.pop(name) if value is None else os.environ.__setitem__(name, value)
        server.shutdown()
        server.server_close()


def check_scores(scores: list[tuple[int, list[float]]], url: str) -> None:
    """Raise JudgeError if any (question id, [reference, model]) has no scores within 0 to 10, or if no reference got a
    point, because the metric divides by the reference's points."""
    bad = [question for question, pair in scores if len(pair) != 2 or not all(0 <= score <= 10 for score in pair)]
    if bad:
        raise JudgeError(
            f"the judge at {url} gave no usable score for {len(bad)} of {len(scores)} questions (ids {bad[:5]}); "
            "check that it runs and replies with two numbers from 0 to 10"
        )
    if scores and not any(reference for _, (reference, _) in scores):
        raise JudgeError(
            f"the judge at {url} gave 0 points to all {len(scores)} reference answers, and the metric divides by them; "
            "look at one of its replies (.endpoint/), or use another model"
        )
