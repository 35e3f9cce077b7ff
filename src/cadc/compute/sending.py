"""How requests go to an endpoint: none for ever, none to another address, and no reply larger than a reply is."""

from __future__ import annotations

import queue
import threading
import time
from typing import Any

import httpx2
import openai

#: Nothing was sent, for there is nobody to take it.
NOT_REACHED = (httpx2.ConnectError, httpx2.ConnectTimeout, httpx2.UnsupportedProtocol)
LARGEST = 1 << 20  # bytes of a reply (ours): 250,000 tokens


class Stopped(BaseException):
    """Ends a request at once: the client would try again after any `Exception`."""


class Late(Stopped):
    """The server was waited for as long as one prompt is worth."""


class TooLarge(Stopped):
    """A reply has more than `LARGEST` bytes."""


class Sender(openai.DefaultHttpxClient):
    """Sends the client's requests, its repetitions included, but none once `stop` is set.

    A host that has not answered before (`tried`) is not tried again where it can't be reached. A reply must be whole
    `timeout` seconds after its request, however it drips in; after `patience` seconds of waiting in all, since `begin`
    in the same thread, no more is sent. Redirections are not followed: prompts go to the address that was given alone.
    """

    def __init__(self, stop: threading.Event, tried: threading.Event, timeout: float, patience: float):
        super().__init__(follow_redirects=False)
        self._stop, self._tried, self._patience, self._longest = stop, tried, patience, timeout
        self._of_prompt = threading.local()

    def begin(self) -> None:
        """The next requests of this thread are for another prompt."""
        self._of_prompt.waited = 0.0

    def send(self, request: httpx2.Request, **options: Any) -> httpx2.Response:
        if self._stop.is_set():
            raise Stopped
        left = min(self._longest, self._patience - getattr(self._of_prompt, "waited", 0.0))
        if left <= 0:
            raise Late
        started, answers = time.monotonic(), queue.SimpleQueue()
        threading.Thread(target=self._fetch, args=(request, options, answers), daemon=True).start()
        try:
            answer = answers.get(timeout=left)
        except queue.Empty:  # a read of the socket has a time-out of its own, which a byte a second never meets
            raise httpx2.ReadTimeout(f"no whole reply within {left:g} s", request=request) from None
        finally:
            self._of_prompt.waited = getattr(self._of_prompt, "waited", 0.0) + time.monotonic() - started
        if isinstance(answer, NOT_REACHED) and not self._tried.is_set():
            raise Stopped from answer
        if isinstance(answer, BaseException):
            raise answer
        return answer

    def _fetch(self, request: httpx2.Request, options: dict[str, Any], answers: queue.SimpleQueue) -> None:
        try:
            answers.put(self._whole(super().send(request, **options | {"stream": True})))
        except BaseException as error:  # whatever it is: the thread that waits raises it
            answers.put(error)

    @staticmethod
    def _whole(response: httpx2.Response) -> httpx2.Response:
        """The response with all its content. Raises TooLarge."""
        content = bytearray()
        try:
            for part in response.iter_bytes():
                content += part
                if len(content) > LARGEST:
                    raise TooLarge
        finally:
            response.close()
        headers = [item for item in response.headers.multi_items() if item[0].lower() not in _OF_THE_WIRE]
        return httpx2.Response(response.status_code, headers=headers, content=bytes(content), request=response.request)


_OF_THE_WIRE = ("content-encoding", "content-length", "transfer-encoding")  # what is read is decoded already
