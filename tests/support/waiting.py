"""Waiting, in real time, for what a running exporter shows."""

import time
from collections.abc import Callable

import httpx

from tests.support.scraped import Scraped

LOOK_SECONDS = 0.2


def until_sum(url: str, name: str, is_enough: Callable[[float], bool], *, seconds: float = 30.0) -> Scraped:
    """The whole page, once the sum of one family is enough; only that family is asked for till then."""
    deadline = time.monotonic() + seconds
    while not is_enough(shown := _sum(url, name)):
        assert time.monotonic() < deadline, f"{name} is {shown} after {seconds} s"
        time.sleep(LOOK_SECONDS)
    return Scraped.of(url)


def _sum(url: str, name: str) -> float:
    response = httpx.get(f"{url}/metrics", params={"name[]": name}, timeout=30)
    return Scraped(response.raise_for_status().text).sum(name)
