"""The model: its series agree with each other, and show what an exporter shows in trouble."""

import math

import pytest

from exporter.dispatcher.answer import Reason
from exporter.tasks.observation import Status
from monitoring.reaction import rules
from monitoring.reaction.api import Api, Fault
from monitoring.reaction.record import UNSEEN, notation
from monitoring.reaction.situations import Situation, lived
from monitoring.reaction.tasks import HOUR, MINUTE, RENDERS, Task, healthy, hung, steady

FOLLOWED = "bytespike_tasks_followed_total"
REQUESTS = "bytespike_api_requests_total"
SUSPENDED = "bytespike_api_suspended"
WELL = Api()
OUTAGE = Fault(20 * MINUTE, 40 * MINUTE, Reason.SERVER)


def situation(*, api: Api = WELL, downs: tuple[tuple[float, float], ...] = (), failing: float = 0.01) -> Situation:
    """An hour of one group."""
    return Situation(
        name="an hour",
        tells="For the test.",
        cause=0.0,
        ends=HOUR,
        traffic=lambda: steady(RENDERS, every=MINUTE, until=HOUR, failing=lambda _: failing),
        api=api,
        downs=downs,
    )


def values(of: Situation, name: str, **labels: str) -> list[str]:
    """The one series that is asked for, minute by minute, as promtool would see it."""
    wanted = [f'{label}="{value}"' for label, value in labels.items()]
    found = [
        series["values"]
        for series in lived(of, frozenset({name})).series()
        if all(text in series["series"] for text in wanted)
    ]
    (text,) = found
    return [part for word in text.split() for part in expanded(word)]


def expanded(word: str) -> list[str]:
    value, _, times = word.partition("x")
    return [value] * (int(times or 0) + (value != "_")) if times else [value]


NOT_LIVED = {
    "bytespike_proxy_requests_total",
    "bytespike_proxy_submissions_failed_total",
    "bytespike_proxy_upstream_failures_total",
    "bytespike_exporter_config_info",
}
"""These lives are of one exporter without a sidecar: what is of sidecars and of replicas has cases of its own."""


def test_it_shows_every_other_metric_that_a_rule_reads() -> None:
    wanted = rules.read(rules.shipped()) - NOT_LIVED
    shown = {series["series"].partition("{")[0] for series in lived(situation(api=Api([OUTAGE])), wanted).series()}
    assert shown == wanted


def test_every_task_is_followed_and_ends() -> None:
    followed = values(situation(failing=0.5), FOLLOWED)
    failed = values(situation(failing=0.5), "bytespike_tasks_failed_total", error_code="upstream_error")
    assert len(followed) == 61
    assert int(followed[-1]) in range(58, 61)
    assert int(failed[-1]) in range(26, 31)
    assert next(value for value in failed if value != "_") == "0"


def test_in_an_outage_it_holds_the_account_back_and_asks_little() -> None:
    hour = situation(api=Api([OUTAGE]))
    sent = list(map(int, values(hour, REQUESTS)))
    assert sent[19] - sent[9] > 50
    assert sent[39] - sent[25] < 40
    held = values(hour, SUSPENDED, reason="server")
    assert held[22:39] == ["1"] * 17
    assert held[:19] == ["0"] * 19
    assert held[42:] == ["0"] * 19
    assert values(hour, "bytespike_up")[22:39] == ["0"] * 17


def test_of_an_exporter_that_is_down_nothing_is_there_but_its_being_down() -> None:
    hour = situation(downs=((10 * MINUTE, 12 * MINUTE),))
    assert values(hour, "up") == ["1"] * 10 + ["0"] * 2 + ["1"] * 49
    assert values(hour, "process_start_time_seconds") == ["0"] * 10 + ["stale", "_"] + ["720"] * 49
    followed = values(hour, FOLLOWED)
    assert followed[10:12] == ["stale", "_"]
    assert int(followed[12]) >= int(followed[9])


def test_a_hung_task_runs_for_ever() -> None:
    (task,) = hung(RENDERS, [5.0])
    assert task.status(HOUR * 1e6) is Status.RUNNING
    assert math.isinf(task.ends)


@pytest.mark.parametrize("share", [0.01, 0.075, 0.8])
def test_exactly_that_share_of_the_tasks_fails(share: float) -> None:
    tasks: list[Task] = list(steady(RENDERS, every=1.0, until=1000.0, failing=lambda _: share))
    assert sum(task.outcome is Status.FAILED for task in tasks) in {round(1000 * share), round(1000 * share) - 1}
    assert healthy(0) < 0.05


@pytest.mark.parametrize(
    ("column", "text"),
    [
        ([1.0, 1.0, 2.5], "1x1 2.5"),
        ([None, None, 3.0], "_x2 3"),
        ([3.0, None, None, 4.0], "3 stale _x1 4"),
        ([3.0, UNSEEN, UNSEEN, 3.0], "3 _x2 3"),
        ([3.0, UNSEEN, None, UNSEEN], "3 _x1 stale _x1"),
    ],
)
def test_promtools_notation(column: list[float | None], text: str) -> None:
    assert notation(column) == text
