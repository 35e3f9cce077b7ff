"""The client of an OpenAI-compatible endpoint, against a server that fails, stalls, limits rates and talks nonsense."""

import io
import json
import multiprocessing
import re
import signal
import socket
import subprocess
import sys
import time

import numpy as np
import pytest
from PIL import Image

from cadc.compute.endpoint import Endpoint
from cadc.compute.replies import COUNTS, EndpointError, Prompt, Refused, Unusable, spent_so_far
from cadc.model.encode import EncodedRows
from cadc.training.released_progress import judged_right
from cadc.training.verdicts import judged, verdict


def words(text):
    return " ".join(re.findall(r"\w+", text))


def echoed(reply):
    if not reply.startswith("echo "):
        raise ValueError(reply)
    return reply.removeprefix("echo ")


def test_every_prompt_is_asked_once_and_kept(serve, tmp_path):
    server = serve()
    endpoint = Endpoint(server.url, "m", tmp_path)
    prompts = ["a", "b", "a", "c"]
    assert endpoint.ask(prompts, echoed) == prompts and server.asked == {"a": 1, "b": 1, "c": 1}
    again = Endpoint(server.url, "m", tmp_path)
    assert again.ask([*prompts, "d"], echoed) == [*prompts, "d"] and sum(server.asked.values()) == 4
    assert again.spent == {"requests": 1, "cached": 3, "prompt_tokens": 10, "completion_tokens": 2}
    assert (
        Endpoint(server.url, "another", tmp_path).ask(["a"], echoed) == ["a"] and server.asked["a"] == 2
    )  # another model says something else
    total = {"requests": 4, "refused": 0, "prompt_tokens": 40, "completion_tokens": 8}
    assert spent_so_far(tmp_path) == {
        "m": total,
        "another": {"requests": 1, "refused": 0, "prompt_tokens": 10, "completion_tokens": 2},
    }
    kept = "".join(path.read_text() for path in tmp_path.rglob("*.json"))
    assert server.keys == {"Bearer secret-of-mine"} and "secret" not in kept


def test_a_picture_goes_with_its_question_and_another_picture_is_another_question(serve, tmp_path):
    server = serve()
    files = []
    for color, kind in (("red", "PNG"), ("blue", "JPEG")):
        Image.new("RGB", (8, 8), color).save(file := io.BytesIO(), kind)
        files.append(file.getvalue())
    prompts = [Prompt("what color ?", file) for file in files] + ["what color ?"]
    for _ in range(2):
        assert (
            Endpoint(server.url, "m", tmp_path, workers=1).ask([*prompts, prompts[0]], echoed) == ["what color ?"] * 4
        )
    assert (
        server.pictures == [("data:image/png", files[0]), ("data:image/jpeg", files[1])]
        and server.asked["what color ?"] == 3
    )


@pytest.mark.parametrize("what", ["stall", "limit", "fail", "nonsense"])
def test_trouble_is_outlived_and_nothing_is_paid_twice(serve, tmp_path, what):
    server = serve(lambda prompt, n: what if n == 1 and prompt in "ab" else None)
    endpoint = Endpoint(server.url, "m", tmp_path, timeout=0.5 if what == "stall" else 30)
    assert endpoint.ask(list("abcdef"), echoed) == list("abcdef")
    assert server.asked == {"a": 2, "b": 2, "c": 1, "d": 1, "e": 1, "f": 1}
    assert endpoint.spent["requests"] == sum(server.answered.values()) and endpoint.spent["refused"] == 2 * (
        what == "nonsense"
    )
    assert spent_so_far(tmp_path)["m"]["requests"] == endpoint.spent["requests"]
    assert (
        Endpoint(server.url, "m", tmp_path).ask(list("fedcba"), echoed) == list("fedcba")
        and sum(server.asked.values()) == 8
    )


@pytest.mark.parametrize(("what", "tries"), [("fail", 2), ("nonsense", 3)])
def test_one_prompt_without_a_usable_reply_costs_no_other(serve, tmp_path, what, tries):
    server = serve(lambda prompt, n: what if prompt == "b" else None)
    with pytest.raises(EndpointError, match="1 of 3 prompts.*'b'") as error:
        Endpoint(server.url, "m", tmp_path, retries=1).ask(list("abc"), echoed)
    assert server.asked == {"a": 1, "b": tries, "c": 1} and "secret" not in str(error.value)
    server.asked.clear()
    with pytest.raises(EndpointError):
        Endpoint(server.url, "m", tmp_path, retries=1).ask(list("abc"), echoed)
    assert set(server.asked) == {"b"}  # the others are kept


@pytest.mark.parametrize(("what", "said"), [("cut", "/v1"), ("page", "/v1"), ("denied", "HTTP 401")])
def test_an_endpoint_that_is_none_is_named_with_what_to_do(serve, tmp_path, what, said):
    server = serve(lambda prompt, n: what)
    with pytest.raises(
        EndpointError, match=f"{server.url}.*{said}.*" if what == "denied" else f"{server.url}.*'a'.*{said}"
    ) as error:
        Endpoint(server.url, "m", tmp_path, retries=1).ask(["a"], echoed)
    assert server.asked["a"] == 1 and "secret" not in str(error.value) and "tried" not in str(error.value)


@pytest.mark.parametrize(
    ("what", "said"),
    [
        ("denied", "HTTP 401 .*OPENAI_API_KEY"),
        ("forbidden", "HTTP 403 .*OPENAI_API_KEY"),
        ("no model", "HTTP 404 .*model's name"),
        ("no credit", "HTTP 429 .*no credit"),
        ("page", "/v1"),
    ],
)
def test_what_is_refused_to_all_is_asked_once(serve, tmp_path, what, said):
    server = serve(lambda prompt, n: what)
    for kept in ([], ["kept"]):  # a reply from before says nothing of today's key
        server.trouble = lambda prompt, n: None
        Endpoint(server.url, "m", tmp_path).ask(kept, echoed)
        server.asked.clear()
        server.trouble = lambda prompt, n: what
        with pytest.raises(EndpointError, match=said) as error:
            Endpoint(server.url, "m", tmp_path, retries=0).ask([*kept, *(f"p{k}" for k in range(40))], echoed)
        assert sum(server.asked.values()) == 1 and "secret" not in str(error.value) and server.url in str(error.value)


def test_a_key_that_is_revoked_stops_the_queue_and_what_was_answered_is_kept(serve, tmp_path):
    prompts = [f"p{k}" for k in range(60)]
    server = serve(lambda prompt, n: "denied" if sum(server.answered.values()) >= 10 else None)
    with pytest.raises(EndpointError, match="HTTP 401 .*OPENAI_API_KEY"):
        Endpoint(server.url, "m", tmp_path, workers=4).ask(prompts, echoed)
    answered = sum(server.answered.values())
    assert 10 <= answered < 14 and sum(server.asked.values()) <= answered + 4  # those under way
    server.trouble = lambda prompt, n: None
    again = Endpoint(server.url, "m", tmp_path, workers=4)
    assert again.ask(prompts, echoed) == prompts and again.spent["cached"] == answered


INTERRUPTED = """
import signal
import sys
from pathlib import Path
import cadc
signal.signal(signal.SIGINT, signal.default_int_handler)  # a shell lets what it starts in the background ignore it
from cadc.compute.endpoint import Endpoint
print("ready", flush=True)
try:
    endpoint = Endpoint(sys.argv[1], "m", Path(sys.argv[2]), workers=4)
    endpoint.ask([f"p{k}" for k in range(200)], str)
except KeyboardInterrupt:
    print("stopped", flush=True)
"""


@pytest.mark.parametrize("what", [None, "fail"])
def test_ctrl_c_sends_nothing_more_and_keeps_what_is_under_way(serve, tmp_path, what):
    """`fail`: the client is between two tries, which it would go on with for minutes."""

    def slow(prompt, n):
        time.sleep(0.3)
        return what if sum(server.asked.values()) > 8 else None

    server = serve(slow)
    process = subprocess.Popen(
        [sys.executable, "-c", INTERRUPTED, server.url, str(tmp_path)], stdout=subprocess.PIPE, text=True
    )
    assert process.stdout.readline() == "ready\n"
    while sum(server.asked.values()) < 10:
        time.sleep(0.02)
    process.send_signal(signal.SIGINT)
    sent = sum(server.asked.values())
    out, _ = process.communicate(timeout=20)
    assert out == "stopped\n" and process.returncode == 0
    assert sum(server.asked.values()) <= sent + 4  # one that each worker was about to send, at most
    kept = [path for path in tmp_path.rglob("*.json") if json.loads(path.read_text())["reply"] is not None]
    assert len(kept) == sum(server.answered.values())  # what was paid for is there


def test_two_processes_ask_a_prompt_once(serve, tmp_path):
    server = serve(lambda prompt, n: time.sleep(0.2))
    context = multiprocessing.get_context("fork")
    workers = [
        context.Process(target=lambda: Endpoint(server.url, "m", tmp_path).ask(["a", "b"], echoed)) for _ in range(3)
    ]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    assert [worker.exitcode for worker in workers] == [0, 0, 0] and server.asked == {"a": 1, "b": 1}


def test_without_a_key_nothing_is_asked(tmp_path, monkeypatch):
    monkeypatch.delenv("OPENAI_API_KEY", raising=False)
    with pytest.raises(EndpointError, match="OPENAI_API_KEY"):
        Endpoint("http://127.0.0.1:9/v1", "m", tmp_path)


@pytest.mark.parametrize("key", ["sécret-of-mine", "“secret-of-mine”", "secret-of-mine\n", "secret\r-of-mine"])
def test_a_key_that_cannot_be_sent_is_an_error_that_does_not_show_it(tmp_path, monkeypatch, key):
    monkeypatch.setenv("OPENAI_API_KEY", key)
    with pytest.raises(EndpointError, match="OPENAI_API_KEY holds .* non-ASCII") as error:
        Endpoint("http://127.0.0.1:9/v1", "m", tmp_path)
    assert "of-mine" not in str(error.value)


def test_the_server_s_reason_is_quoted_without_the_key_and_one_prompt_s_refusal_costs_no_other(serve, tmp_path):
    server = serve(lambda prompt, n: "filtered" if prompt == "b" else None)
    a, b, c = Endpoint(server.url, "m", tmp_path).ask_each(list("abc"), echoed)
    assert (a, c) == ("a", "c") and server.asked["b"] == 1 and isinstance(b, Unusable)
    assert "HTTP 400" in str(b) and "'content filter of [the key] xxx" in str(b)
    assert "secret" not in str(b) and len(str(b)) < 400


def nobody_s_url():
    """An address of this machine at which nothing listens."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return f"http://127.0.0.1:{free.getsockname()[1]}/v1"


@pytest.mark.parametrize("url", [nobody_s_url(), "127.0.0.1:80/v1", "http://no-such-host.invalid/v1"])
def test_a_host_that_is_not_there_stops_at_once(serve, tmp_path, url):
    serve()
    started = time.monotonic()
    with pytest.raises(Refused, match=rf"^{re.escape(url)} can't be reached \(.+\); check that its server runs"):
        Endpoint(url, "m", tmp_path).ask([f"p{k}" for k in range(40)], echoed)
    assert time.monotonic() - started < 15 and not list(tmp_path.rglob("*.json"))


def test_a_host_that_goes_away_is_waited_for_and_then_stops_all(serve, tmp_path):
    server = serve()
    endpoint = Endpoint(server.url, "m", tmp_path, retries=1, workers=1)
    assert endpoint.ask(["a"], echoed) == ["a"]
    server.http.shutdown()
    server.http.server_close()
    sent, send = [], endpoint._client._client.send
    endpoint._client._client.send = lambda *args, **options: sent.append(0) or send(*args, **options)
    with pytest.raises(Refused, match="can't be reached"):
        endpoint.ask(["b", "c", "d"], echoed)
    assert len(sent) == 2  # the first of them, twice


def test_a_url_that_is_none_is_named(serve, tmp_path):
    serve()
    with pytest.raises(EndpointError, match="^http://here:port/v1: not a URL"):
        Endpoint("http://here:port/v1", "m", tmp_path)


@pytest.mark.parametrize("usage", [{}, None, [], {"prompt_tokens": None, "completion_tokens": "2"}])
def test_a_completion_that_does_not_say_what_it_cost_is_taken(serve, tmp_path, usage):
    server = serve(lambda prompt, n: {"usage": usage})
    endpoint = Endpoint(server.url, "m", tmp_path)
    assert endpoint.ask(["a"], echoed) == ["a"]
    assert spent_so_far(tmp_path) == {"m": dict.fromkeys(COUNTS, 0) | {"requests": 1}}


@pytest.mark.parametrize(
    "choices", [[{}], [{"message": None}], {"0": "a"}, "echo a", [{"message": {"content": ["echo a"]}}]]
)
def test_a_completion_of_another_shape_is_none(serve, tmp_path, choices):
    server = serve(lambda prompt, n: {"choices": choices})
    with pytest.raises(EndpointError, match="no chat completion to 'a'"):
        Endpoint(server.url, "m", tmp_path).ask(["a"], echoed)


def test_a_verdict_is_right_or_wrong_and_anything_else_is_none():
    right = ("Answer - correct", "correct", "Answer - Correct.\nReason - it says so", "**Answer - correct**")
    wrong = ("Answer - wrong", "Incorrect", "Answer - incorrect\nReason - correct would be three")
    assert [verdict(reply) for reply in (*right, *wrong)] == [1] * 4 + [0] * 3
    for reply in ("", "7", "Answer - partly correct", "correct or wrong", "Reason - correct"):
        with pytest.raises(ValueError, match="neither"):
            verdict(reply)


def test_a_judge_sees_question_reference_and_answer(serve, tmp_path, pool, processor, tiny_model):
    server = serve(lambda prompt, n: "Answer - correct\nReason - so it is" if len(prompt) % 2 else "Answer - wrong")
    rows, which = EncodedRows(pool, processor, 256), np.arange(6)
    made = judged(tiny_model, rows, which, Endpoint(server.url, "m", tmp_path), 4)
    assert set(made.tolist()) == {0, 1}
    vague = serve(lambda prompt, n: "partly")
    assert judged(tiny_model, rows, which, Endpoint(vague.url, "vague", tmp_path), 4, judged_right).tolist() == [0] * 6
    with pytest.raises(EndpointError, match="6 of 6 prompts got no usable reply.*'partly'"):
        judged(tiny_model, rows, which, Endpoint(vague.url, "other", tmp_path), 4)
    asked = [words(prompt) for prompt in server.asked]
    for turns in pool["turns"].to_pylist()[:6]:
        question, reference = (words(turn["text"].replace("<image>", "")) for turn in turns[-2:])
        assert any(
            question in prompt and f"Reference answer {reference} Answer to judge" in prompt for prompt in asked
        ), reference
