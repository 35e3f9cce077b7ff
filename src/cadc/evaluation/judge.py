"""The judge of LLaVA-in-the-Wild: any OpenAI-compatible endpoint, or a small deterministic one of our own.

lmms-eval scores a dead or unparsable judge with [-1, -1] and prints 100.0; `check_scores` turns that into an error.
"""

from __future__ import annotations

import json
import os
import re
import threading
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from cadc.params import Judge


class JudgeError(RuntimeError):
    """The judge gave no usable score; the message says for which questions and what to look at."""


def word_f1(answer: str, reference: str) -> float:
    """F1 of the two texts' words, punctuation and order aside, in [0, 1] (as SQuAD's token F1)."""
    words, wanted = (Counter(re.findall(r"\w+", text.lower())) for text in (answer, reference))
    shared = sum((words & wanted).values())
    return 2 * shared / (sum(words.values()) + sum(wanted.values())) if shared else 0.0


def judge_reply(prompt: str) -> str:
    """`10 S`: the reference has 10 points, the model's answer 10 times its word F1 with the reference.

    Raises ValueError where the prompt holds no two answers in lmms-eval's layout.
    """
    found = re.findall(r"\[(\S+) (1|2)\]\n(.*?)\n\n\[End of \1 \2\]", prompt, flags=re.DOTALL)
    if [which for _, which, _ in found] != ["1", "2"]:
        raise ValueError("the prompt holds no answers 1 and 2")
    return f"10 {10 * word_f1(found[1][2], found[0][2]):.1f}"


class _Handler(BaseHTTPRequestHandler):
    def do_POST(self):
        request = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        content = request["messages"][-1]["content"]
        text = content if isinstance(content, str) else "".join(part.get("text", "") for part in content)
        try:
            status, reply = 200, judge_reply(text)
        except ValueError as error:
            status, reply = 400, str(error)
        body = json.dumps(
            {"id": "judge", "object": "chat.completion", "created": 0, "model": request.get("model", ""),
             "choices": [{"index": 0, "finish_reason": "stop", "message": {"role": "assistant", "content": reply}}],
             "usage": {"prompt_tokens": 0, "completion_tokens": 0, "total_tokens": 0}}
        ).encode()  # fmt: skip
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_):
        pass


@contextmanager
def judge(params: Judge) -> Iterator[str]:
    """Point lmms-eval at the judge for the duration; yields its base URL.

    Must be entered before lmms-eval's task modules are imported. With `url: null` our own judge is started on a free
    port of 127.0.0.1 and stopped again; otherwise the key is read from OPENAI_API_KEY and from there alone.
    """
    server = None
    if params.url is None:
        server = ThreadingHTTPServer(("127.0.0.1", 0), _Handler)
        threading.Thread(target=server.serve_forever, daemon=True).start()
        url = f"http://127.0.0.1:{server.server_port}/v1"
    else:
        url = params.url
        if not os.environ.get("OPENAI_API_KEY"):
            raise JudgeError(f"evaluate.judge.url is {url} but OPENAI_API_KEY is not set; export it (any value if the endpoint takes none)")
    settings = {"API_TYPE": "openai", "OPENAI_API_URL": url, "MODEL_VERSION": params.model}
    if server:
        settings["OPENAI_API_KEY"] = "none"
    before = {name: os.environ.get(name) for name in settings}
    os.environ.update(settings)
    try:
        yield url
    finally:
        for name, value in before.items():
            os.environ.pop(name) if value is None else os.environ.__setitem__(name, value)
        if server:
            server.shutdown()
            server.server_close()


def check_scores(scores: list[tuple[int, list[float]]], url: str) -> None:
    """Raise JudgeError if any (question id, [reference, model]) was not scored within 0 to 10."""
    bad = [question for question, pair in scores if len(pair) != 2 or not all(0 <= score <= 10 for score in pair)]
    if bad:
        raise JudgeError(
            f"the judge at {url} gave no usable score for {len(bad)} of {len(scores)} questions (ids {bad[:5]}); see that it runs and replies with two numbers from 0 to 10"
        )
