"""The webhook receiver: one line for each change of an alert, whatever is posted."""

import time
from pathlib import Path
from typing import Any

import httpx
import pytest

from exporter.demo import receiver as module
from exporter.demo.receiver import MAX_BODY_BYTES, MAX_LINE, MAX_REMEMBERED, Receiver

NOON = 1_700_000_000.0
URL = "https://github.com/bytespike/bytespike-exporter/blob/main/docs/runbooks/ByteSpikeUpstreamDown.md"
CLOCK = time.strftime("%H:%M:%S", time.localtime(NOON))


def alert(status: str = "firing", *, since: str = "2026-01-01T00:00:00Z", **labels: str) -> dict[str, Any]:
    """As Alertmanager posts one, with what the receiver does not read."""
    named = {"alertname": "ByteSpikeUpstreamDown", "severity": "critical", "job": "bytespike-exporter", **labels}
    return {
        "status": status,
        "labels": named,
        "annotations": {"summary": "Most requests fail.", "runbook_url": URL},
        "startsAt": since,
        "endsAt": "0001-01-01T00:00:00Z",
        "generatorURL": "http://prometheus/graph",
        "fingerprint": "1",
    }


class Posting:
    """A receiver that notifications are posted to, and what it told."""

    def __init__(self) -> None:
        self.told: list[str] = []
        app = Receiver(self.told.append, clock=lambda: NOON).app()
        self.http = httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://test")

    async def post(self, *alerts: dict[str, Any], receiver: str = "page") -> int:
        body = {"version": "4", "receiver": receiver, "status": "firing", "alerts": list(alerts)}
        return (await self.http.post("/alerts", json=body)).status_code


@pytest.fixture
def posting() -> Posting:
    return Posting()


async def test_an_alert_is_one_line(posting: Posting, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(Path(module.__file__).parents[2])
    runbook = "docs/runbooks/ByteSpikeUpstreamDown.md"
    assert await posting.post(alert(account="default")) == 204
    assert await posting.post(alert("resolved", account="default")) == 204
    assert posting.told == [
        f"{CLOCK}  page      ByteSpikeUpstreamDown  firing    account=default  Most requests fail.  {runbook}",
        f"{CLOCK}  page      ByteSpikeUpstreamDown  resolved  account=default  Most requests fail.",
    ]


async def test_the_runbook_is_named_from_wherever_one_works(
    posting: Posting, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.chdir(tmp_path)
    await posting.post(alert())
    assert posting.told[0].rpartition("  ")[2] == str(module.RUNBOOKS / "ByteSpikeUpstreamDown.md")
    assert (module.RUNBOOKS / "ByteSpikeUpstreamDown.md").is_file()


async def test_an_installed_package_has_no_runbooks(posting: Posting, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "RUNBOOKS", Path("/nowhere"))
    await posting.post(alert())
    assert posting.told[0].endswith(f"  {URL}")


async def test_only_a_change_is_news(posting: Posting) -> None:
    """A group comes again when one of its alerts changes, and the Watchdog for ever."""
    one, other = alert(account="one"), alert(account="other")
    await posting.post(one)
    await posting.post(one, other)
    await posting.post(one, other)
    await posting.post(alert("resolved", account="one"), other)
    await posting.post(alert(account="one", since="2026-01-01T01:00:00Z"), other)
    assert [line.split()[2:5] for line in posting.told] == [
        ["ByteSpikeUpstreamDown", "firing", "account=one"],
        ["ByteSpikeUpstreamDown", "firing", "account=other"],
        ["ByteSpikeUpstreamDown", "resolved", "account=one"],
        ["ByteSpikeUpstreamDown", "firing", "account=one"],
    ]


async def test_each_receiver_is_told(posting: Posting) -> None:
    await posting.post(alert(), receiver="page")
    await posting.post(alert(), receiver="ticket")
    assert [line.split()[1] for line in posting.told] == ["page", "ticket"]


@pytest.mark.slow
async def test_what_is_remembered_is_bounded_and_what_is_repeated_stays(posting: Posting) -> None:
    lasting = alert(account="lasting")
    for number in range(MAX_REMEMBERED + 50):
        await posting.post(lasting, alert(account=str(number)))
    assert len([line for line in posting.told if "account=lasting" in line]) == 1
    await posting.post(alert(account="0"))
    assert len([line for line in posting.told if "account=0 " in line]) == 2


async def test_nothing_in_a_label_steers_the_terminal(posting: Posting) -> None:
    await posting.post(alert(error_code="\x1b[2J\r\nforged\u202e"))
    assert "error_code=?[2J??forged?  " in posting.told[0]
    await posting.post(alert(error_code="x" * 10_000))
    assert len(posting.told[1]) == MAX_LINE + len("...")


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"{",
        b"[]",
        b"7",
        b'{"receiver": "page"}',
        b'{"receiver": "page", "alerts": [{"status": "firing"}]}',
        b"\xff",
    ],
)
async def test_what_is_no_notification_is_refused(posting: Posting, body: bytes) -> None:
    answer = await posting.http.post("/alerts", content=body)
    assert (answer.status_code, posting.told) == (400, [])
    assert answer.text.startswith("not a notification of Alertmanager: ")


async def test_a_body_that_is_too_large_is_refused(posting: Posting) -> None:
    answer = await posting.http.post("/alerts", content=b" " * (MAX_BODY_BYTES + 1))
    assert (answer.status_code, posting.told) == (413, [])


async def test_a_browser_is_told_what_it_is(posting: Posting) -> None:
    answer = await posting.http.get("/")
    assert (answer.status_code, answer.text) == (200, "Alertmanager posts its notifications here.\n")
