from typing import Any

import structlog
from structlog.testing import CapturingLogger

from exporter.dispatcher.answer import DispatcherError, Reason
from exporter.dispatcher.gate import Suspension
from exporter.dispatcher.report import Journal

SERVER = DispatcherError(Reason.SERVER, "HTTP 503")
DOWN = Suspension(Reason.SERVER, until=12.0)


def new_journal() -> tuple[Journal, CapturingLogger]:
    lines = CapturingLogger()
    logger = structlog.wrap_logger(lines, processors=[], wrapper_class=structlog.make_filtering_bound_logger(0))
    return Journal(logger, "default"), lines


def said(lines: CapturingLogger) -> list[dict[str, Any]]:
    """The fields of each line but the account's name, which all carry."""
    assert all(call.kwargs["account"] == "default" for call in lines.calls)
    return [{name: value for name, value in call.kwargs.items() if name != "account"} for call in lines.calls]


def test_repeated_failures_are_summed_up() -> None:
    journal, lines = new_journal()
    for now in range(130):
        journal.failed(SERVER, float(now))
    line = {"event": "query_failed", "reason": "server", "detail": "HTTP 503"}
    assert said(lines) == [line, line | {"repeated": 59}, line | {"repeated": 59}]


def test_each_reason_has_its_own_line() -> None:
    journal, lines = new_journal()
    journal.failed(SERVER, 0.0)
    journal.failed(DispatcherError(Reason.TIMEOUT, "no answer in time"), 0.0)
    assert [line["reason"] for line in said(lines)] == ["server", "timeout"]


def test_a_suspension_is_two_lines() -> None:
    journal, lines = new_journal()
    for now in (10.0, 10.5):
        journal.failed(SERVER, now)
    journal.suspension(None, DOWN, 10.0)
    journal.suspension(DOWN, Suspension(Reason.SERVER, until=99.0), 12.0)
    journal.suspension(DOWN, None, 13.0)
    assert said(lines)[1:] == [
        {"event": "polling_suspended", "reason": "server", "next_try_in": 2.0},
        {"event": "polling_resumed", "reason": "server", "failures_not_logged": 1},
    ]


def test_flapping_is_a_pair_of_lines_a_minute() -> None:
    journal, lines = new_journal()
    for now in range(60):
        journal.suspension(None, DOWN, float(now))
        journal.suspension(DOWN, None, now + 0.5)
    assert [line["event"] for line in said(lines)] == ["polling_suspended", "polling_resumed"]


def test_a_graver_reason_is_said() -> None:
    journal, lines = new_journal()
    journal.suspension(None, DOWN, 0.0)
    journal.suspension(DOWN, Suspension(Reason.INVALID_API_KEY, until=5.0), 0.0)
    assert [line["reason"] for line in said(lines)] == ["server", "invalid_api_key"]


def test_a_concurrency_hold_is_no_change_of_state() -> None:
    journal, lines = new_journal()
    busy = Suspension(Reason.CONCURRENCY, until=2.0)
    journal.suspension(None, busy, 0.0)
    journal.suspension(busy, None, 3.0)
    assert said(lines) == []


def test_the_key() -> None:
    journal, lines = new_journal()
    journal.key_missing("no such file")
    journal.key_changed()
    assert said(lines) == [
        {"event": "api_key_missing", "fault": "no such file"},
        {"event": "api_key_changed"},
    ]
