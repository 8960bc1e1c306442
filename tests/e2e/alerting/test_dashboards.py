"""Every query of every dashboard, asked while all is well and while something is not."""

import re

import pytest

from tests.dashboards.boards import Asked
from tests.e2e.alerting.asking import View, asked, is_answered, is_answered_now, is_answered_over_time
from tests.e2e.alerting.plan import CASES, HEALTHY, Case
from tests.e2e.alerting.stack import OTHER
from tests.e2e.alerting.story import Phase, Story

pytestmark = [pytest.mark.e2e, pytest.mark.alerting]

SHOWS_WHAT_IS_WRONG = {
    "Failed requests a minute, by reason": "requests do not fail",
    "Schema drift a minute": "there is none",
    "Failed refreshes a minute": "all succeed",
}
"""Panels without a line in a healthy run, and the reason."""

SHOWS_WHAT_IS_RARE = {
    "Highest failure ratio": "the one failure in a hundred may be still to come",
    "Failed tasks a minute, by error code": "likewise",
    "Oldest open task": "there may be none at the moment",
    "Overdue tasks": "only the accounts that are late from the beginning have some",
    "Alerts firing": "only the accounts that are late from the beginning may have some",
    "Firing alerts": "likewise",
    "Alerts": "likewise",
    "Connections closed a minute, by reason": "nobody is slow, hostile or one too many",
    "Wrong credentials a minute": "nobody guesses",
    "Steps of the clock": "it does not step",
    "Lines of the log dropped a minute": "somebody reads the log",
    "Submissions a minute, by status": "these exporters have no sidecar",
    "Refused submissions a minute, by code": "likewise",
    "Duration of what passes": "likewise",
    "Unanswered by the upstream a minute, by reason": "likewise",
    "Time to first poll": "likewise",
    "Passing, learnt, not understood": "likewise",
}
"""Panels that may be without a line in a healthy run."""

OF_THE_LIMITED = {
    "Left of the tightest bucket": "only accounts that are well have a limit: a refusal lasts until its reset",
    "Spend buckets": "likewise",
}
OF_THE_ANSWERED = re.compile(r"and on \([^)]*\) bytespike_up\{[^}]*\} == 1")
"""In queries that say nothing of an account whose last poll was not answered."""

OF_THE_BUSY = {"Last answer": "an account without an open task has nothing to be answered"}
"""Panels that say nothing of an account while none of its tasks is open."""

OF_SINGLE_TASKS = {"task_explorer": "only the other exporter has series of single tasks"}

TELLING = {
    "failures": {"Failed tasks a minute, by error code", "Highest failure ratio"},
    "burning": {"Failed tasks a minute, by error code", "Highest failure ratio"},
    "garbage": {"Failed requests a minute, by reason"},
    "revoked": {"Failed requests a minute, by reason"},
    "unpaid": {"Failed requests a minute, by reason"},
    "forbidden": {"Failed requests a minute, by reason"},
    "overspent": {"Failed requests a minute, by reason"},
    "crowded": {"Failed requests a minute, by reason"},
    "slow": {"Latency of the API"},
    "late": {"Overdue tasks"},
    "wrong": {"Duration / ETA"},
    "drifting": {"Schema drift a minute"},
}
"""The panels that must show what is wrong while it is."""

QUERIES = list(asked())


def identified(asked: Asked) -> str:
    return f"{asked.board}: {asked.place}"


def panel(asked: Asked) -> str:
    """The title of the panel, without the query's letter."""
    return asked.place.rpartition(" ")[0] or asked.place


@pytest.mark.parametrize("query", QUERIES, ids=identified)
def test_a_query_has_data_in_a_healthy_run(story: Story, query: Asked) -> None:
    prometheus, view = story.stack.prometheus, View(phase=story.healthy, now=story.healthy.end)
    answered = is_answered_now(prometheus, query, view) and is_answered_over_time(prometheus, query, view)
    if panel(query) in SHOWS_WHAT_IS_WRONG:
        assert not answered
    else:
        assert answered or panel(query) in SHOWS_WHAT_IS_RARE


@pytest.mark.parametrize("query", QUERIES, ids=identified)
def test_a_query_has_data_while_something_is_wrong(story: Story, query: Asked) -> None:
    if panel(query) in SHOWS_WHAT_IS_WRONG or panel(query) in SHOWS_WHAT_IS_RARE:
        return  # below
    accounts = [OTHER] if query.board in OF_SINGLE_TASKS else [case.account for case in CASES]
    if panel(query) in OF_THE_LIMITED or OF_THE_ANSWERED.search(query.raw):
        accounts = [HEALTHY]
    # of one account there may be no open task at this very moment
    is_fleeting = panel(query) in OF_THE_BUSY or OF_THE_ANSWERED.search(query.raw)
    asks = is_answered_over_time if is_fleeting else is_answered
    silent = [account for account in accounts if not asks(story.stack.prometheus, query, view(story, account))]
    assert silent == []


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.account)
def test_the_panels_tell_what_is_wrong(story: Story, case: Case) -> None:
    account = case.account
    telling = [query for query in QUERIES if panel(query) in TELLING[account] and query.board not in OF_SINGLE_TASKS]
    assert {panel(query) for query in telling} == TELLING[account]
    silent = [
        identified(query)
        for query in telling
        if not is_answered_over_time(story.stack.prometheus, query, view(story, account))
    ]
    assert silent == []


def test_the_overview_shows_that_alerts_fire(story: Story) -> None:
    for query in QUERIES:
        if panel(query) in ("Alerts firing", "Firing alerts", "Alerts"):
            assert is_answered(story.stack.prometheus, query, View(phase=story.storm, now=story.storm.end)), query


def view(story: Story, account: str) -> View:
    """One account, from before the storm to its end; now is when its alerts have come."""
    now = story.shown.get(account, story.storm.end)
    return View(phase=Phase(story.healthy.start, story.storm.end), now=now, chosen={"account": account})
