"""Send requests to an endpoint with limits: on time, on the size of a reply, and without redirects."""

from __future__ import annotations

import queue
import threading
import time
from typing import Any

import httpx2
import openai

#: Errors before anything was sent: the host can't be reached.
NOT_REACHED = (httpx2.ConnectError, httpx2.ConnectTimeout, httpx2.UnsupportedProtocol)
LARGEST = 1 << 20  # bytes of a reply (ours): 250,000 tokens


class Stopped(BaseException):
    """Ends a request at once. Not an `Exception`, because the client would retry after one."""


class Late(Stopped):
    """The server took longer than `patience` for one prompt."""


class TooLarge(Stopped):
    """A reply has more than `LARGEST` bytes."""


class Sender(openai.DefaultHttpxClient):
    """Sends the client's requests and retries, but nothing after `stop` is set.

    A host that has never answered (`tried`) is not retried if it can't be reached. A reply must be complete `timeout`
    seconds after its request, even if it arrives slowly. After `patience` seconds of waiting since `begin` in the same
    thread, nothing more is sent. Redirects are not followed, so prompts only go to the given address.
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
        except queue.Empty:  # the socket's own time-out never fires if a byte arrives every second
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
        except BaseException as error:  # raised again in the waiting thread
            answers.put(error)

    @staticmethod
    def _whole(response: httpx2.Response) -> httpx2.Response:
        """The response with its complete content. Raises TooLarge."""
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


_OF_THE_WIRE = ("content-encoding", "content-length", "transfer-encoding")  # the content is already decoded
