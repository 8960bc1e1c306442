from typing import Any

import structlog
from structlog.testing import CapturingLogger

from exporter.dispatcher.answer import DispatcherError, Reason
from exporter.dispatcher.gate import Suspension
from exporter.dispatcher.report import AccountLog

SERVER = DispatcherError(Reason.SERVER, "HTTP 503")
DOWN = Suspension(Reason.SERVER, until=12.0)


def new_log() -> tuple[AccountLog, CapturingLogger]:
    lines = CapturingLogger()
    logger = structlog.wrap_logger(lines, processors=[], wrapper_class=structlog.make_filtering_bound_logger(0))
    return AccountLog(logger, "default"), lines


def said(lines: CapturingLogger) -> list[dict[str, Any]]:
    """The fields of each line but the account's name, which all carry."""
    assert all(call.kwargs["account"] == "default" for call in lines.calls)
    return [{name: value for name, value in call.kwargs.items() if name != "account"} for call in lines.calls]


def test_repeated_failures_are_summed_up() -> None:
    log, lines = new_log()
    for now in range(130):
        log.failed(SERVER, float(now))
    line = {"event": "query_failed", "reason": "server", "detail": "HTTP 503"}
    assert said(lines) == [line, line | {"repeated": 59}, line | {"repeated": 59}]


def test_each_reason_has_its_own_line() -> None:
    log, lines = new_log()
    log.failed(SERVER, 0.0)
    log.failed(DispatcherError(Reason.TIMEOUT, "no answer in time"), 0.0)
    assert [line["reason"] for line in said(lines)] == ["server", "timeout"]


def test_a_suspension_is_two_lines() -> None:
    log, lines = new_log()
    for now in (10.0, 10.5):
        log.failed(SERVER, now)
    log.suspension(None, DOWN, 10.0)
    log.suspension(DOWN, Suspension(Reason.SERVER, until=99.0), 12.0)
    log.suspension(DOWN, None, 13.0)
    assert said(lines)[1:] == [
        {"event": "polling_suspended", "reason": "server", "next_try_in": 2.0},
        {"event": "polling_resumed", "reason": "server", "failures_not_logged": 1},
    ]


def test_flapping_is_a_pair_of_lines_a_minute() -> None:
    log, lines = new_log()
    for now in range(60):
        log.suspension(None, DOWN, float(now))
        log.suspension(DOWN, None, now + 0.5)
    assert [line["event"] for line in said(lines)] == ["polling_suspended", "polling_resumed"]


def test_a_graver_reason_is_said() -> None:
    log, lines = new_log()
    log.suspension(None, DOWN, 0.0)
    log.suspension(DOWN, Suspension(Reason.INVALID_API_KEY, until=5.0), 0.0)
    assert [line["reason"] for line in said(lines)] == ["server", "invalid_api_key"]


def test_a_concurrency_hold_is_no_change_of_state() -> None:
    log, lines = new_log()
    busy = Suspension(Reason.CONCURRENCY, until=2.0)
    log.suspension(None, busy, 0.0)
    log.suspension(busy, None, 3.0)
    assert said(lines) == []


def test_the_key() -> None:
    log, lines = new_log()
    log.key_missing("no such file")
    log.key_changed()
    assert said(lines) == [
        {"event": "api_key_missing", "fault": "no such file"},
        {"event": "api_key_changed"},
    ]
