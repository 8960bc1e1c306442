"""Steering a simulator that runs as another process: the client of its admin routes for scenarios."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Self, TypeVar

import httpx

from exporter.simulator.errors import RefusedError, SimulatorError, UnreachableError
from exporter.simulator.files import checked

T = TypeVar("T")

SIMULATOR = "http://127.0.0.1:9879"
"""Where a simulator listens that was not told otherwise, the demo's too."""

ANSWER_SECONDS = 10.0

REFUSALS = (400, 403)
"""What the admin routes answer to a request that cannot be, and to a client that is not on loopback."""


@dataclass(frozen=True, slots=True)
class Planned:
    """A scenario that is on or planned, as the simulator tells it; times are Unix seconds."""

    name: str
    active: bool
    start: float
    end: float | None
    params: dict[str, Any]


class Steering:
    """The scenarios of the simulator at a URL, for the time of a ``with`` block.

    Each call raises UnreachableError or RefusedError.
    """

    def __init__(self, url: str, *, transport: httpx.BaseTransport | None = None) -> None:
        self._url = url.rstrip("/")
        # proxies of the environment are not for addresses of this machine
        self._http = httpx.Client(timeout=ANSWER_SECONDS, trust_env=False, transport=transport)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._http.close()

    def planned(self) -> list[Planned]:
        """What is on or planned."""
        return self._told(list[Planned], self._ask("GET", "/sim/scenarios"))

    def switch_on(self, name: str, *, after: float, duration: float | None, params: Mapping[str, str]) -> Planned:
        """Switch a scenario on, in ``after`` seconds; without ``duration`` it stays on."""
        wanted = {"name": name, "after_seconds": after, "duration_seconds": duration, "params": dict(params)}
        return self._told(Planned, self._ask("POST", "/sim/scenarios", wanted))

    def end(self, name: str) -> None:
        """End every scenario of that name."""
        on = {scenario.name for scenario in self.planned()}
        if name not in on:
            raise RefusedError(f"{name} is neither on nor planned; what is: {', '.join(sorted(on)) or 'nothing'}")
        self._ask("DELETE", f"/sim/scenarios/{name}")

    def _ask(self, method: str, path: str, body: object = None) -> httpx.Response:
        try:
            answer = self._http.request(method, f"{self._url}{path}", json=body)
        except httpx.HTTPError as error:
            raise UnreachableError(f"no simulator answers at {self._url} ({type(error).__name__})") from error
        if answer.status_code in REFUSALS:
            raise RefusedError(answer.text.strip())
        if not answer.is_success:
            raise self._other(f"it answers {answer.status_code} to {method} {path}")
        return answer

    def _told(self, kind: type[T], answer: httpx.Response) -> T:
        try:
            return checked(kind, answer.json(), of="answer")
        except (ValueError, SimulatorError) as error:
            raise self._other("its answer is not one of a simulator") from error

    def _other(self, why: str) -> UnreachableError:
        return UnreachableError(f"what listens at {self._url} is no simulator: {why}")
