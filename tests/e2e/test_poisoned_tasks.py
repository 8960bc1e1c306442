"""Tasks whose queries always fail slow no other task down; an outage of the API is left alone until it is over.

One exporter has an account for each kind of fault, and one without any: what a busy machine adds, it adds to all.
"""

import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from itertools import cycle
from pathlib import Path

import pytest

from tests.e2e.scripted import FINISHED, family, shown, until, write_config
from tests.support.processes import RunningExporter, start_exporter
from tests.support.scripted_api import CLOSED, FAULTS, SERVER_ERROR, Asked, Reply, ScriptedApi, always, has_ended, runs

pytestmark = pytest.mark.e2e

HEALTHY = [f"healthy-{number}" for number in range(20)]
POISONED = [f"poisoned-{number}" for number in range(12)]

POLL = {"min_interval": "200ms", "max_interval": "2s"}
ETA = 6.0
"""Healthy tasks are asked about each second."""

LIMITS = {"max_in_flight": 2, "max_requests_per_second": 200}

NONE, MIXED = "none", "mixed"
SLOWER_AT_MOST = 1.6
ASKED_A_MINUTE = 20

SETTLING_SECONDS = 3.0
"""The first polls of all tasks are spread over their first interval, and the first faults are yet to be understood."""


@dataclass(frozen=True, slots=True)
class Watched:
    """The accounts, by the kind of fault that each has, while an exporter polls them."""

    exporter: RunningExporter
    apis: Mapping[str, ScriptedApi]


@contextmanager
def watched(directory: Path, faults: Mapping[str, Sequence[Reply]]) -> Iterator[Watched]:
    with ExitStack() as stack:
        apis = {kind: stack.enter_context(ScriptedApi()) for kind in faults}
        for kind, replies in faults.items():
            apis[kind].default = runs(eta=ETA)
            poisons = zip(POISONED, cycle(replies), strict=False)
            apis[kind].script = {name: always(reply) for name, reply in poisons}
        config = write_config(
            directory,
            "",
            accounts={f"with-{kind}": api.url for kind, api in apis.items()},
            groups={
                kind: {
                    "account": f"with-{kind}",
                    "static_configs": [{"task_ids": [*HEALTHY, *(POISONED if replies else ())]}],
                }
                for kind, replies in faults.items()
            },
            poll=POLL,
            limits=LIMITS,
        )
        yield Watched(stack.enter_context(start_exporter(config)), apis)


def mean_delay(api: ScriptedApi, *, since: float, until: float) -> float:
    """How long after its end a healthy task is seen to have ended, in the mean over tasks and moments to end at."""
    delays = [delay_of_end([query.at for query in api.asked(name)], since=since, until=until) for name in HEALTHY]
    return sum(delays) / len(delays)


def delay_of_end(moments: Sequence[float], *, since: float, until: float) -> float:
    """The mean over all moments of a time at which a task might have ended: the next query would have told.

    After the last query it would have been ``until`` at least.
    """
    waited, begin = 0.0, since
    for moment in (*sorted(moment for moment in moments if since < moment < until), until):
        waited += (moment - begin) ** 2 / 2
        begin = moment
    return waited / (until - since)


def times_in_a_minute(asked: Sequence[Asked], *, until: float) -> float:
    """How often a task is asked about in its first minute, if it goes on at its latest pace."""
    moments = sorted(query.at for query in asked)
    seen = until - moments[0]
    if seen >= 60.0 or len(moments) < 3:
        return sum(moment < moments[0] + 60.0 for moment in moments)
    pace = max((moments[-1] - moments[-3]) / 2, until - moments[-1])
    return len(moments) + (60.0 - seen) / pace


@pytest.mark.slow
@pytest.mark.parametrize("seconds", [10.0, pytest.param(70.0, marks=pytest.mark.long)])
def test_beside_tasks_that_always_fail_the_others_are_seen_in_time(tmp_path: Path, seconds: float) -> None:
    faults = {NONE: (), **{f"fault-{kind}": (reply,) for kind, reply in FAULTS.items()}, MIXED: tuple(FAULTS.values())}
    with watched(tmp_path, faults) as it:
        since = time.monotonic() + SETTLING_SECONDS
        time.sleep(SETTLING_SECONDS + seconds)
        now = time.monotonic()
        delays = {kind: mean_delay(api, since=since, until=now) for kind, api in it.apis.items()}
        often = {
            kind: round(max(times_in_a_minute(api.asked(name), until=now) for name in POISONED), 1)
            for kind, api in it.apis.items()
            if kind != NONE
        }
        slower = {kind: round(delay / delays[NONE], 2) for kind, delay in delays.items()}
        too_slow = {kind: ratio for kind, ratio in slower.items() if ratio > SLOWER_AT_MOST}
        too_often = {kind: times for kind, times in often.items() if times > ASKED_A_MINUTE}
        assert (too_slow, too_often) == ({}, {}), f"times slower: {slower}, asked in a minute: {often}"

        for api in it.apis.values():
            api.default = has_ended()
        ended = {kind: float(len(HEALTHY)) for kind in faults}
        until(lambda: family(it.exporter.url, FINISHED).by("group", FINISHED) == ended, "all healthy tasks counted")


OUTAGES = {"down": CLOSED, "failing": SERVER_ERROR}
OUTAGE_SECONDS = 5.0


@pytest.mark.slow
def test_an_outage_meets_single_requests_and_is_left_soon_after_its_end(tmp_path: Path) -> None:
    with watched(tmp_path, dict.fromkeys(OUTAGES, ())) as it:
        url = it.exporter.url
        until(lambda: all(len(api.asked()) > 2 * len(HEALTHY) for api in it.apis.values()), "all asked about twice")
        for kind, api in it.apis.items():
            api.override = always(OUTAGES[kind])
        until(lambda: shown(url, "bytespike_api_suspended") == len(OUTAGES), "both accounts held back", seconds=20.0)
        until(lambda: not any(api.in_flight for api in it.apis.values()), "nothing under way", seconds=20.0)
        began = time.monotonic()
        for api in it.apis.values():
            api.most_in_flight()
        time.sleep(OUTAGE_SECONDS)
        assert max(api.most_in_flight() for api in it.apis.values()) <= 1
        asked = {kind: len(api.asked(since=began)) for kind, api in it.apis.items()}
        assert max(asked.values()) <= 8, asked
        assert shown(url, "bytespike_up") == 0

        ended = time.monotonic()
        for api in it.apis.values():
            api.override = None
        until(lambda: shown(url, "bytespike_up") == len(OUTAGES), "both accounts answered", seconds=20.0)
        assert shown(url, "bytespike_api_suspended") == 0
        until(
            lambda: all({each.name for each in api.asked(since=ended)} == set(HEALTHY) for api in it.apis.values()),
            "all asked about",
        )
