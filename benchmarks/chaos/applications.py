"""Applications that register their tasks at whichever replica answers, again and again until one has taken them."""

import threading
from collections.abc import Mapping, Sequence
from queue import Queue
from random import Random
from typing import Any, Self

import httpx

PATIENCE = 2.0
"""Seconds until another replica is asked: this one may be stopped, or its database slow."""


class Applications:
    """They register in a thread of their own while this is entered, one item after the other."""

    def __init__(self, addresses: Sequence[str], random: Random) -> None:
        self._urls = [f"http://{address}/api/v1/tasks" for address in addresses]
        self._random = random
        self._items: Queue[Mapping[str, Any] | None] = Queue()
        self._thread = threading.Thread(target=self._run, daemon=True)
        self.refusals: list[str] = []

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._items.put(None)
        self._thread.join(PATIENCE)

    def register(self, item: Mapping[str, Any]) -> None:
        """Have this registered as soon as somebody takes it."""
        self._items.put(item)

    def _run(self) -> None:
        with httpx.Client(timeout=PATIENCE, trust_env=False, headers={"connection": "close"}) as http:
            while (item := self._items.get()) is not None:
                while not self._is_taken(http, item):
                    pass

    def _is_taken(self, http: httpx.Client, item: Mapping[str, Any]) -> bool:
        try:
            answer = http.post(self._random.choice(self._urls), json=item)
        except httpx.HTTPError:
            return False
        if 400 <= answer.status_code < 500 and answer.status_code != httpx.codes.TOO_MANY_REQUESTS:
            self.refusals.append(f"{answer.status_code} {answer.text}")
            return True
        return answer.is_success
