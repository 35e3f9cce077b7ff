"""Replies that are kept: a file that holds something else, and a folder that is none, are named."""

import re

import pytest

from cadc.compute import replies
from cadc.compute.endpoint import Endpoint
from cadc.compute.replies import EndpointError, Prompt, Refused, path_of, spent_so_far


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ("{", "not JSON"),
        ("[]", "a JSON object"),
        ("{}", "'model' is missing"),
        ('{"model": "m", "reply": ["echo a"]}', r"'reply' is \['echo a'\]"),
        ('{"model": "m", "reply": "echo a"}', "'requests' is missing"),
        ('{"model": "m", "reply": null, "requests": "1"}', "'requests' is '1'"),
        (b"\xff", "not JSON"),
    ],
)
def test_a_kept_reply_of_another_shape_is_named(serve, tmp_path, content, said):
    server = serve()
    path = path_of(tmp_path, "m", 256, Prompt("a"))
    path.parent.mkdir()
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    made = Endpoint(server.url, "m", tmp_path).ask_each(["a", "b"], str)
    assert isinstance(made[0], EndpointError) and made[1] == "echo b" and server.asked == {"b": 1}
    with pytest.raises(EndpointError) as counted:
        spent_so_far(tmp_path)
    for error in (made[0], counted.value):
        assert re.match(f"{re.escape(str(path))}: .*{said}.*; remove the file", str(error))


def test_a_folder_for_replies_that_is_none_is_named(serve, tmp_path, monkeypatch):
    server, cache = serve(), tmp_path / "file"
    cache.write_text("mine")
    with pytest.raises(Refused, match=f"{cache}.*CADC_ENDPOINT_CACHE to a writable folder"):
        Endpoint(server.url, "m", cache).ask(["a"], str)
    monkeypatch.setenv("CADC_ENDPOINT_CACHE", str(cache))
    with pytest.raises(SystemExit, match=f"{cache}.*CADC_ENDPOINT_CACHE to a writable folder"):
        replies.main()
    assert not server.asked and cache.read_text() == "mine"
