"""The reporter: hooks for the application's HTTP client, and the thread that tells the exporter."""

import atexit
import logging
import os
import random
import threading
import time
import weakref
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

from exporter.client.backlog import Backlog, Waiting
from exporter.client.counts import Counts
from exporter.client.delivery import Delivery
from exporter.client.posting import Exporter
from exporter.client.submission import MOST_ANSWERED, Submission, may_submit, read, told

if TYPE_CHECKING:
    import httpx
    import requests

MOST_WAITING = 10_000
"""Tasks that wait at once, some 3 MB."""

CLOSE_SECONDS = 2.0
"""So long the end of the process waits for what is not told yet."""


class Reporter:
    """Tells an exporter of each task that the application submits; safe for use by any thread and after a fork.

        httpx.Client(event_hooks={"response": [Reporter("http://127.0.0.1:9877").on_response]})

    ``group`` and ``labels`` are those of every task; without a group, the exporter takes the one that has
    ``api_config``. ``token`` or ``token_file`` is what ``api.token_file`` has; ``ca_file`` has the authorities to trust
    in place of the usual ones. No variable for proxies is heeded.

    Making one raises ValueError where an argument can be none. From then on nothing raises and nothing waits, but for
    ``flush`` and ``close``: tasks wait in memory, 10,000 at most and ten minutes each, for one thread, which starts
    with the first. What is lost is in ``counts``, and once a minute in the log of ``exporter.client``.
    """

    def __init__(
        self,
        url: str,
        *,
        group: str | None = None,
        labels: Mapping[str, str] | None = None,
        token: str | None = None,
        token_file: str | Path | None = None,
        ca_file: str | Path | None = None,
    ) -> None:
        self._url = url
        self._post = Exporter(
            url,
            group=group,
            labels=dict(labels or {}),
            token=token,
            token_file=None if token_file is None else Path(token_file),
            ca_file=None if ca_file is None else Path(ca_file),
        )
        self._start_over()
        # the thread does not live on in a child, and what waits is the parent's to tell
        fresh = weakref.WeakMethod(self._start_over)
        os.register_at_fork(after_in_child=lambda: start() if (start := fresh()) else None)

    def __repr__(self) -> str:
        return f"Reporter({self._url!r})"

    # ---- hooks -------------------------------------------------------------------------------------------------------

    def on_response(self, response: "httpx.Response") -> None:
        """For ``event_hooks={"response": [...]}`` of an ``httpx.Client``."""
        try:
            self._watch(response)
        except Exception:  # noqa: BLE001 - whatever it is, it is not the application's
            self._add(None)

    async def on_async_response(self, response: "httpx.Response") -> None:
        """For ``event_hooks={"response": [...]}`` of an ``httpx.AsyncClient``."""
        self.on_response(response)

    def on_requests_response(self, response: "requests.Response", *_: object, **options: object) -> None:
        """For ``hooks["response"]`` of a ``requests.Session``: what it would read next is read here.

        With ``stream=True`` the body is the application's alone: such an answer is not read, and counted as that.
        """
        try:
            path = response.request.path_url.partition("?")[0]
            is_one = _is_submission(response.request.method, path, response)
        except Exception:  # noqa: BLE001 - likewise
            is_one = False
        if is_one:
            # what reading raises is what requests would raise itself
            answered = None if options.get("stream") else response.content
            self._note(response.request.body, answered)

    def report(self, task_id: str, *, model: str | None = None) -> None:
        """Tell of a task, for whoever has another HTTP client."""
        self._add(told(task_id, model))

    # ---- what has become of it ---------------------------------------------------------------------------------------

    @property
    def counts(self) -> Counts:
        """What has become of the tasks so far."""
        return self._backlog.counts

    def flush(self, seconds: float = CLOSE_SECONDS) -> bool:
        """Wait until none waits any more; False where that takes longer than so many seconds."""
        return self._backlog.wait_until_empty(seconds)

    def close(self, seconds: float = CLOSE_SECONDS) -> None:
        """Tell what can be told within so many seconds, and take no more. The end of the process does so by itself."""
        self._backlog.close()
        if self._thread is not None and self._thread is not threading.current_thread():
            self._thread.join(seconds)
        self._backlog.expire_all()
        self._delivery.tell()
        atexit.unregister(self.close)

    # ---- within ------------------------------------------------------------------------------------------------------

    def _start_over(self) -> None:
        self._starting = threading.RLock()
        self._thread: threading.Thread | None = None
        self._backlog = Backlog(most=MOST_WAITING, monotonic=time.monotonic)
        self._delivery = Delivery(
            self._backlog,
            self._post,
            logging.getLogger("exporter.client"),
            name=self._url,
            monotonic=time.monotonic,
            random=random.random,
        )

    def _watch(self, response: "httpx.Response") -> None:
        request = response.request
        if _is_submission(request.method, request.url.path, response):
            from exporter.client.passing import copy_body, known_body

            asked = known_body(request)
            copy_body(response, lambda answered: self._note(asked, answered), most=MOST_ANSWERED)

    def _note(self, asked: object, answered: bytes | None) -> None:
        try:
            submission = None if answered is None else read(asked, answered)
        except Exception:  # noqa: BLE001 - the application is about to have its answer
            submission = None
        self._add(submission)

    def _add(self, submission: Submission | None) -> None:
        if submission is None:
            self._backlog.add_unread()
        else:
            self._backlog.add(Waiting(submission.task_id, submission.model, time.time(), time.monotonic()))
        if self._thread is None:
            self._start()

    def _start(self) -> None:
        with self._starting, suppress(RuntimeError):  # no thread can be started just now: the next task tries again
            if self._thread is None and not self._backlog.is_closed:
                atexit.register(self.close)
                thread = threading.Thread(target=self._delivery.run, name="exporter.client", daemon=True)
                thread.start()
                self._thread = thread


def _is_submission(method: str | None, path: str, response: "httpx.Response | requests.Response") -> bool:
    headers = response.headers
    content_type, length = headers.get("content-type", ""), headers.get("content-length", "")
    return may_submit(method or "", path, response.status_code, content_type, length)
