"""An OpenAI-compatible server on this machine that fails, stalls, limits rates and talks nonsense as a test says."""

import base64
import json
import threading
import time
from collections import Counter
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest


class Server:
    """Answers `echo PROMPT`, but does first what `trouble(prompt, n)` says to the n-th request for a prompt.

    A dict stands in the place of parts of the completion.
    """

    def __init__(self, trouble=lambda prompt, n: None):
        self.asked, self.answered, self.keys, self.pictures = Counter(), Counter(), set(), []
        self.trouble = trouble
        outer = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self):
                request = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
                prompt = request["messages"][0]["content"]
                if isinstance(prompt, list):  # a text and the picture it is about
                    text, picture = prompt
                    kind, _, body = picture["image_url"]["url"].partition(";base64,")
                    outer.pictures.append((kind, base64.b64decode(body)))
                    prompt = text["text"]
                outer.keys.add(self.headers["Authorization"])
                outer.asked[prompt] += 1
                what = outer.trouble(prompt, outer.asked[prompt])
                if what == "stall":
                    time.sleep(1.5)
                    return
                if what in ("drip", "drip heads"):  # a byte at a time, each well within a read's time-out
                    head = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n"
                    self.wfile.write(head + (b"\r\n" if what == "drip" else b""))
                    return outer.drip(self.wfile)
                if what == "flood":
                    return self.send(200, {"x": "y" * (2 << 20)})
                if isinstance(what, str) and what.startswith("http://"):
                    return self.send(307, None, {"Location": f"{what}/chat/completions"})
                if what == "limit":
                    return self.send(429, {"error": {"message": "slow down"}}, {"Retry-After": "0"})
                if what == "fail":
                    return self.send(500, {"error": {"message": "broken"}})
                if what in ("cut", "page"):
                    return self.send(200, None, {"Content-Type": "text/html"} if what == "page" else None)
                if what == "denied":
                    return self.send(401, {"error": {"message": "wrong key secret-of-mine"}})
                if what == "forbidden":
                    return self.send(403, {"error": {"message": "not with secret-of-mine"}})
                if what == "no model":
                    return self.send(404, {"error": {"message": "no model m"}})
                if what == "filtered":
                    return self.send(400, {"error": {"message": "content filter\nof secret-of-mine " + "x" * 900}})
                if what == "no credit":
                    return self.send(429, {"error": {"message": "pay first", "code": "insufficient_quota"}})
                outer.answered[prompt] += 1
                content = what if isinstance(what, str) else f"echo {prompt}"
                message = {"role": "assistant", "content": content}
                completion = {
                    "id": "x",
                    "object": "chat.completion",
                    "created": 0,
                    "model": "m",
                    "choices": [{"index": 0, "finish_reason": "stop", "message": message}],
                    "usage": {"prompt_tokens": 10, "completion_tokens": 2, "total_tokens": 12},
                }
                self.send(200, completion | (what if isinstance(what, dict) else {}))

            def send(self, status, value, headers=None):
                body = json.dumps(value).encode() if value is not None else b"<html>"
                self.send_response(status)
                for name, text in {
                    "Content-Type": "application/json",
                    "Content-Length": str(len(body)),
                    **(headers or {}),
                }.items():
                    self.send_header(name, text)
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *_):
                pass

        self.http = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        threading.Thread(target=self.http.serve_forever, daemon=True).start()
        self.url = f"http://127.0.0.1:{self.http.server_port}/v1"

    @staticmethod
    def drip(wfile) -> None:
        try:
            for _ in range(100):
                wfile.write(b"x")
                time.sleep(0.1)
        except OSError:  # the client has left
            pass


@pytest.fixture
def serve(monkeypatch):
    monkeypatch.setenv("OPENAI_API_KEY", "secret-of-mine")
    servers = []

    def start(*args):
        servers.append(Server(*args))
        return servers[-1]

    yield start
    for server in servers:
        server.http.shutdown()


@pytest.fixture(scope="session")
def mirror(tmp_path_factory):
    """Every benchmark of the catalogue in the hub's layout."""
    from hub_mirror import MIRROR, write  # late: it imports lmms-eval, which most tests do without

    root = tmp_path_factory.mktemp("mirror")
    for task, table in MIRROR.items():
        write(root, task, table)
    return root
