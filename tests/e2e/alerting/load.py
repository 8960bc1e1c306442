"""Tasks that an application submits, as many a second as it is told."""

import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from threading import Event, Thread

import httpx

TASK = {"model": "clip", "params": {"duration_seconds": 5}}


@contextmanager
def submitted(url: str, *, rates: Mapping[str, float]) -> Iterator[None]:
    """Submit tasks while it lasts; ``rates`` are tasks per second by API key. What is refused is forgotten."""
    stopped = Event()
    threads = [Thread(target=_submit, args=(url, key, rate, stopped)) for key, rate in rates.items()]
    for thread in threads:
        thread.start()
    try:
        yield
    finally:
        stopped.set()
        for thread in threads:
            thread.join()


def _submit(url: str, key: str, rate: float, stopped: Event) -> None:
    due = time.monotonic()
    with httpx.Client(base_url=url, timeout=30, trust_env=False) as http:
        while not stopped.wait(max(0.0, due - time.monotonic())):
            due += 1 / rate
            with suppress(httpx.HTTPError):  # whatever is on stage, the show goes on
                http.post("/v1/tasks/submit", json=TASK, headers={"Authorization": f"Bearer {key}"})
