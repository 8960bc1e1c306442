"""``/-/healthy``, ``/-/ready`` and ``/-/reload``."""

import asyncio

import pytest
from structlog.testing import capture_logs

from exporter.ledger.ledger import LedgerError
from exporter.settings.errors import ConfigError, Fault
from exporter.settings.reload import Difference
from tests.support.browse import Browse
from tests.support.fake_exporter import FakeExporter


@pytest.mark.parametrize("path", ["/-/healthy", "/healthz", "/livez"])
async def test_healthy(browse: Browse, path: str) -> None:
    async with browse(FakeExporter(unready=("not yet",))) as client:
        answer = await client.get(path)
    assert (answer.status_code, answer.text) == (200, "Healthy\n")


@pytest.mark.parametrize("path", ["/-/ready", "/readyz"])
async def test_ready(browse: Browse, path: str) -> None:
    async with browse(FakeExporter(faults=("the prune loop has died",))) as client:
        answer = await client.get(path)
    assert (answer.status_code, answer.text) == (200, "Ready\n")


async def test_every_reason_is_a_line(browse: Browse) -> None:
    async with browse(FakeExporter(faults=("one", "two"), unready=("three", "four"))) as client:
        healthy, ready = await client.get("/-/healthy"), await client.get("/-/ready")
    assert (healthy.status_code, healthy.text) == (503, "one\ntwo\n")
    assert (ready.status_code, ready.text) == (503, "three\nfour\n")


FAULTS = [Fault("exporter.yml", 3, "glbal", "unknown key"), Fault("exporter.yml", 0, "", "cannot be read")]


@pytest.mark.parametrize("method", ["POST", "PUT"])
@pytest.mark.parametrize(
    ("query", "dry_run"), [("", False), ("?dry_run=0", False), ("?dry_run=1", True), ("?dry_run=true", True)]
)
async def test_it_answers_with_the_difference(browse: Browse, method: str, query: str, dry_run: bool) -> None:
    exporter = FakeExporter()
    async with browse(exporter) as client:
        answer = await client.request(method, f"/-/reload{query}")
    assert answer.status_code == 200
    assert answer.json() == {
        "status": "success",
        "dry_run": dry_run,
        "accounts": {"added": [], "removed": [], "changed": [], "kept": ["default"]},
        "task_groups": {"added": ["renders"], "removed": [], "changed": [], "kept": []},
        "tasks": {},
        "keys": [],
    }
    assert exporter.reloads == [dry_run]


@pytest.mark.parametrize("query", ["dry_run=yes", "dry_run=", "dry_run=1&dry_run=0", "dryrun=1", "dry_run=1&x=2"])
async def test_a_misspelt_dry_run_is_no_reload(browse: Browse, query: str) -> None:
    exporter = FakeExporter()
    async with browse(exporter) as client:
        answer = await client.post(f"/-/reload?{query}")
    assert (answer.status_code, answer.text) == (400, "the only parameter is dry_run, and it is 0 or 1\n")
    assert exporter.reloads == []


@pytest.mark.parametrize(
    ("refusal", "status", "errors", "logged"),
    [
        (
            ConfigError(FAULTS),
            400,
            [
                {"file": "exporter.yml", "line": 3, "key": "glbal", "message": "unknown key"},
                {"file": "exporter.yml", "line": 0, "key": "", "message": "cannot be read"},
            ],
            ["unknown key", "cannot be read"],
        ),
        (LedgerError("ledger x: full"), 503, [{"message": "ledger x: full"}], ["ledger x: full"]),
        (RuntimeError("secret"), 500, [{"message": "an internal error: see the exporter's log"}], [None]),
    ],
)
async def test_a_refusal_says_why(
    browse: Browse, refusal: Exception, status: int, errors: list[dict[str, object]], logged: list[str | None]
) -> None:
    with capture_logs() as logs:
        async with browse(FakeExporter(refusal=refusal)) as client:
            answer = await client.post("/-/reload?dry_run=1")
    assert answer.status_code == status
    assert answer.json() == {"status": "error", "dry_run": True, "errors": errors}
    assert [line.get("error") for line in logs] == logged


async def test_of_thousands_of_faults_the_first_are_told(browse: Browse) -> None:
    many = ConfigError([Fault("exporter.yml", line, "key", "x" * 200) for line in range(20_000)])
    with capture_logs() as logs:
        async with browse(FakeExporter(refusal=many)) as client:
            answer = await client.post("/-/reload")
    errors = answer.json()["errors"]
    assert [error.get("line") for error in errors] == [*range(100), None]
    assert errors[-1] == {"message": "and 19900 more: check-config names them all"}
    assert len(logs) == 101


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({}, 200),
        ({"Sec-Fetch-Site": "none"}, 200),
        ({"Sec-Fetch-Site": "same-origin", "Origin": "http://localhost:9877"}, 200),
        ({"Sec-Fetch-Site": "cross-site"}, 403),
        ({"Sec-Fetch-Site": "same-site"}, 403),
        ({"Origin": "http://evil.test"}, 403),  # plain HTTP: browsers leave Sec-Fetch-Site out
        ({"Origin": "http://localhost:8080"}, 403),
        ({"Origin": "null"}, 403),
        ({"Origin": "http://[evil"}, 403),
    ],
)
async def test_a_page_of_another_site_cannot_reload(browse: Browse, headers: dict[str, str], status: int) -> None:
    exporter = FakeExporter()
    async with browse(exporter) as client:
        answer = await client.post("/-/reload", headers=headers)
    assert answer.status_code == status
    assert len(exporter.reloads) == (status == 200)


async def test_a_hundred_reloads_at_once_are_two(browse: Browse) -> None:
    """One runs, and the others wait for one that begins after they came; each gets the answer of the one it had."""
    exporter = FakeExporter()
    started, may_end = asyncio.Event(), asyncio.Event()
    reload = exporter.reload

    async def slow(*, dry_run: bool = False) -> Difference:
        started.set()
        await may_end.wait()
        if exporter.reloads:
            exporter.refusal = ConfigError(FAULTS)
        return await reload(dry_run=dry_run)

    exporter.reload = slow  # type: ignore[method-assign]
    async with browse(exporter) as client:
        first = asyncio.create_task(client.post("/-/reload"))
        await started.wait()
        others = [asyncio.create_task(client.post("/-/reload")) for _ in range(99)]
        await asyncio.sleep(0.05)
        others[0].cancel()  # whoever gives up leaves it to the others
        may_end.set()
        answers = await asyncio.gather(*others[1:])
    assert (await first).status_code == 200
    assert {answer.status_code for answer in answers} == {400}
    assert exporter.reloads == [False, False]


async def test_a_dry_run_is_not_answered_by_a_reload(browse: Browse) -> None:
    exporter = FakeExporter()
    async with browse(exporter) as client:
        answers = await asyncio.gather(*(client.post(f"/-/reload?dry_run={number % 2}") for number in range(10)))
    assert [answer.json()["dry_run"] for answer in answers] == [False, True] * 5
    assert set(exporter.reloads) == {False, True}
