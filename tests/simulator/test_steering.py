"""The client of the admin routes: what it makes of a simulator's answers, and of those that are none."""

from collections.abc import Callable

import httpx
import pytest

from exporter.simulator.errors import RefusedError, UnreachableError
from exporter.simulator.steering import Planned, Steering

OUTAGE = {"name": "outage", "active": True, "start": 100.0, "end": None, "params": {"status": 503}}


def steering(answer: httpx.Response | Exception) -> Steering:
    """One whose every request is answered alike."""

    def handle(_: httpx.Request) -> httpx.Response:
        if isinstance(answer, Exception):
            raise answer
        return answer

    return Steering("http://test:1/", transport=httpx.MockTransport(handle))


def switched_on(simulator: Steering) -> Planned:
    return simulator.switch_on("outage", after=0, duration=None, params={})


CALLS: list[Callable[[Steering], object]] = [
    Steering.planned,
    switched_on,
    lambda simulator: simulator.end("outage"),
]


def test_what_is_told_is_read() -> None:
    told = Planned("outage", active=True, start=100.0, end=None, params={"status": 503})
    assert steering(httpx.Response(200, json=[OUTAGE])).planned() == [told]
    assert switched_on(steering(httpx.Response(201, json=OUTAGE))) == told


@pytest.mark.parametrize("call", CALLS)
def test_nobody_listens(call: Callable[[Steering], object]) -> None:
    with pytest.raises(UnreachableError, match=r"^no simulator answers at http://test:1 \(ConnectError\)$"):
        call(steering(httpx.ConnectError("no")))


@pytest.mark.parametrize("call", CALLS)
@pytest.mark.parametrize("status", [400, 403])
def test_a_refusal_is_told_as_it_is(call: Callable[[Steering], object], status: int) -> None:
    with pytest.raises(RefusedError, match=r"^for loopback clients only$"):
        call(steering(httpx.Response(status, text="for loopback clients only\n")))


@pytest.mark.parametrize("call", CALLS)
@pytest.mark.parametrize(
    ("answer", "why"),
    [
        (httpx.Response(404), r"it answers 404 to (GET|POST) /sim/scenarios$"),
        (httpx.Response(302), r"it answers 302 to (GET|POST) /sim/scenarios$"),
        (httpx.Response(200, text="<html>"), "its answer is not one of a simulator$"),
        (httpx.Response(200, json=7), "its answer is not one of a simulator$"),
    ],
)
def test_another_server_is_no_simulator(call: Callable[[Steering], object], answer: httpx.Response, why: str) -> None:
    with pytest.raises(UnreachableError, match=f"^what listens at http://test:1 is no simulator: {why}"):
        call(steering(answer))


@pytest.mark.parametrize(("planned", "what"), [([OUTAGE], "outage"), ([], "nothing")])
def test_only_what_is_on_can_be_ended(planned: list[object], what: str) -> None:
    with pytest.raises(RefusedError, match=f"^garbage is neither on nor planned; what is: {what}$"):
        steering(httpx.Response(200, json=planned)).end("garbage")
