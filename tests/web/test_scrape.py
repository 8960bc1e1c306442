"""``/metrics``, and the slots in which it is rendered."""

import asyncio
import gzip
import threading
from collections.abc import Awaitable, Callable, MutableMapping
from dataclasses import dataclass, field
from functools import partial
from typing import Any, cast

import httpx
import pytest
import structlog
from structlog.testing import capture_logs

from exporter.accounting.series import Series, labels_of
from exporter.ledger.ledger import LedgerView
from exporter.metrics.exposition import Rendered
from exporter.metrics.packing import Piece
from exporter.metrics.snapshot import AccountView, Snapshot
from exporter.tasks.item import TaskLabels
from exporter.web import scrape
from exporter.web.app import create_app
from exporter.web.responses import BusyError, RenderSlots, Shared
from exporter.web.scrape import MAX_NAMES, PageResponse, Readers, patience_of
from tests.support.browse import Browse
from tests.support.fake_exporter import FakeExporter, snapshot


def with_account() -> Snapshot:
    return snapshot(accounts=(AccountView("default", up=True),))


async def test_the_page_holds_our_series_and_those_of_the_process(browse: Browse) -> None:
    async with browse(FakeExporter(shown=with_account)) as client:
        answer = await client.get("/metrics")
    assert answer.headers["content-type"] == "text/plain; version=0.0.4; charset=utf-8"
    assert answer.headers["vary"] == "Accept, Accept-Encoding"
    assert 'bytespike_up{account="default"} 1.0' in answer.text
    assert "python_info{" in answer.text


@pytest.mark.parametrize(
    ("told", "patience"),
    [
        ({}, 10.0),
        ({"x-prometheus-scrape-timeout-seconds": "0.5"}, 1.0),
        ({"x-prometheus-scrape-timeout-seconds": "10"}, 10.0),
        ({"x-prometheus-scrape-timeout-seconds": "10.5"}, 20.0),
        ({"x-prometheus-scrape-timeout-seconds": "-3"}, 1.0),
        ({"x-prometheus-scrape-timeout-seconds": "3600"}, 60.0),
        ({"x-prometheus-scrape-timeout-seconds": "inf"}, 10.0),
        ({"x-prometheus-scrape-timeout-seconds": "soon"}, 10.0),
    ],
)
def test_how_long_a_scrape_may_take(told: dict[str, str], patience: float) -> None:
    assert patience_of(told) == patience


async def test_scrapes_that_may_take_as_long_share_a_page_and_no_others(browse: Browse) -> None:
    asked: list[float] = []

    class Noting(FakeExporter):
        def snapshot(self, scrape_timeout: float = 0.0) -> Snapshot:
            asked.append(scrape_timeout)
            return super().snapshot(scrape_timeout)

    async with browse(Noting(shown=with_account)) as client:
        told = [{"x-prometheus-scrape-timeout-seconds": seconds} for seconds in ("9", "8", "30", "9")]
        await asyncio.gather(*(client.get("/metrics", headers=headers) for headers in told))
    assert sorted(set(asked)) == [10.0, 30.0]
    assert asked.count(10.0) <= 2
    assert asked.count(30.0) == 1


HOT = Series("bytespike_tasks_failed_total", labels_of(account="default", group="renders", error_code="hot"))


def with_new_code() -> Snapshot:
    return snapshot(known=(TaskLabels("default", "renders"),), totals={HOT: 8.0})


async def test_a_page_says_which_codes_it_has_shown_at_0(browse: Browse) -> None:
    exporter = FakeExporter(shown=with_new_code)
    async with browse(exporter) as client:
        await client.head("/metrics")
        assert exporter.announcements == [], "nobody has read it"
        answer = await client.get("/metrics")
    assert 'error_code="hot",group="renders",model=""} 0.0' in answer.text
    assert exporter.announcements == [HOT]


async def test_a_page_that_nobody_waits_for_any_more_has_shown_nothing() -> None:
    """A scrape that takes too long is hung up on, and has failed for whoever asked."""
    exporter = FakeExporter(shown=with_new_code)
    app = create_app(exporter, log=structlog.get_logger())
    for message, announced in (({"type": "http.disconnect"}, []), ({"type": "http.request"}, [HOT])):
        await app(GET_METRICS, partial(_forever, message), _into_the_void)
        assert exporter.announcements == announced


GET_METRICS: MutableMapping[str, Any] = {
    "type": "http",
    "method": "GET",
    "path": "/metrics",
    "query_string": b"",
    "headers": [],
}


async def _forever(message: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    return message


async def _into_the_void(_: MutableMapping[str, Any]) -> None:
    pass


async def test_openmetrics_where_it_is_asked_for(browse: Browse) -> None:
    async with browse(FakeExporter(shown=with_account)) as client:
        answer = await client.get("/metrics", headers={"Accept": "application/openmetrics-text;version=1.0.0"})
    assert answer.headers["content-type"].startswith("application/openmetrics-text; version=1.0.0")
    assert answer.text.endswith("# EOF\n")


async def test_headers_in_several_lines_count_as_one(browse: Browse) -> None:
    headers = [("Accept-Encoding", "identity"), ("Accept-Encoding", "gzip")]
    request = httpx.Request("GET", "http://exporter.test/metrics", headers=headers)
    async with browse(FakeExporter(shown=with_account)) as client:
        answer = await client.send(request, stream=True)
        body = b"".join([part async for part in answer.aiter_raw()])
    assert answer.headers["content-encoding"] == "gzip"
    assert b'bytespike_up{account="default"} 1.0' in gzip.decompress(body)


async def test_a_page_is_not_packed_where_that_is_not_asked_for(browse: Browse) -> None:
    async with browse(FakeExporter()) as client:
        answer = await client.get("/metrics", headers={"Accept-Encoding": "identity"})
    assert "content-encoding" not in answer.headers


async def test_names_choose_families(browse: Browse) -> None:
    async with browse(FakeExporter(shown=with_account)) as client:
        some = await client.get("/metrics", params={"name[]": ["bytespike_up", "python_info"]})
        none = await client.get("/metrics", params={"name[]": "no_such_family"})
        too_many = await client.get("/metrics", params={"name[]": ["bytespike_up"] * (MAX_NAMES + 1)})
    assert {line.split("{")[0] for line in some.text.splitlines() if line[0] != "#"} == {"bytespike_up", "python_info"}
    assert (none.status_code, none.text) == (200, "")
    assert (too_many.status_code, too_many.text) == (400, "name[]: at most 100 names\n")


@pytest.mark.parametrize("broken", [lambda: 1 / 0, object], ids=["snapshot", "render"])
async def test_a_page_that_cannot_be_made_is_an_error_and_never_an_empty_page(
    browse: Browse, broken: Callable[[], Snapshot]
) -> None:
    with capture_logs() as logs:
        async with browse(FakeExporter(shown=broken)) as client:
            answer = await client.get("/metrics")
            assert (await client.get("/-/healthy")).status_code == 200
    assert answer.status_code == 500
    assert answer.text.startswith("the metrics cannot be rendered (")
    assert [line["event"] for line in logs] == ["scrape_failed"]


async def test_the_loop_goes_on_while_a_page_is_made_and_a_storm_is_turned_away(browse: Browse) -> None:
    released = threading.Event()

    class Slow:
        """A snapshot that takes its time, in whichever thread reads it."""

        def __getattr__(self, name: str) -> object:
            assert released.wait(20)
            return object.__getattribute__(with_account(), name)

    async with browse(
        FakeExporter(shown=lambda: cast("Snapshot", Slow())), RenderSlots(at_once=1, waiting=1)
    ) as client:
        pages = ("python_info", "bytespike_up", "bytespike_tasks")
        scrapes = {asyncio.create_task(client.get("/metrics", params={"name[]": name})) for name in pages}
        [first], others = await asyncio.wait(scrapes, return_when=asyncio.FIRST_COMPLETED)
        assert (await client.get("/-/healthy")).status_code == 200
        released.set()
        answers = await asyncio.gather(*others)
    refused = first.result()
    assert refused.status_code == 503
    assert refused.headers["retry-after"] == "1"
    assert [answer.status_code for answer in answers] == [200, 200]


async def hold(slots: RenderSlots, release: asyncio.Event, holding: list[int]) -> None:
    async with slots.slot():
        holding.append(1)
        await release.wait()


async def test_so_many_at_once_so_many_wait_and_the_next_is_turned_away() -> None:
    slots, release = RenderSlots(at_once=2, waiting=3), asyncio.Event()
    holding: list[int] = []
    tasks = [asyncio.create_task(hold(slots, release, holding)) for _ in range(5)]
    await asyncio.sleep(0)
    assert len(holding) == 2
    with pytest.raises(BusyError):
        await hold(slots, release, holding)
    release.set()
    await asyncio.gather(*tasks)
    assert len(holding) == 5
    await hold(slots, release, holding)


async def test_who_gives_up_waiting_leaves_the_queue() -> None:
    slots, release = RenderSlots(at_once=1, waiting=1), asyncio.Event()
    holding: list[int] = []
    first, second = (asyncio.create_task(hold(slots, release, holding)) for _ in range(2))
    await asyncio.sleep(0)
    second.cancel()
    await asyncio.gather(second, return_exceptions=True)
    third = asyncio.create_task(hold(slots, release, holding))
    release.set()
    await asyncio.gather(first, third)
    assert len(holding) == 2


# ---- one page for all that wait for it -------------------------------------------------------------------------------


@dataclass
class Making:
    """Work that takes until it is let go; it tells what it was asked for, in order."""

    begun: list[str] = field(default_factory=list)
    go: asyncio.Event = field(default_factory=asyncio.Event)

    async def __call__(self, key: str) -> int:
        self.begun.append(key)
        number = len(self.begun)
        await self.go.wait()
        return number


async def settled() -> None:
    for _ in range(5):
        await asyncio.sleep(0)


async def test_whoever_comes_while_it_is_made_waits_for_the_next_one_and_shares_it() -> None:
    making = Making()
    shared = Shared(making, RenderSlots())
    early = [asyncio.create_task(shared.get("page")) for _ in range(2)]
    await settled()
    late = [asyncio.create_task(shared.get("page")) for _ in range(3)]
    await settled()
    assert making.begun == ["page"], "one at a time"
    making.go.set()
    assert await asyncio.gather(*early) == [1, 1]
    assert await asyncio.gather(*late) == [2, 2, 2]
    assert await shared.get("page") == 3, "nothing is kept"


async def test_another_page_is_not_shared_and_waits_its_turn() -> None:
    making = Making()
    shared = Shared(making, RenderSlots())
    pages = [asyncio.create_task(shared.get(key)) for key in ("text", "openmetrics", "text")]
    await settled()
    assert making.begun == ["text"]
    making.go.set()
    assert await asyncio.gather(*pages) == [1, 2, 1]


async def test_too_many_different_pages_are_turned_away_and_alike_ones_are_not() -> None:
    making = Making()
    shared = Shared(making, RenderSlots(at_once=1, waiting=1))
    first = asyncio.create_task(shared.get("a"))
    await settled()
    others = [asyncio.create_task(shared.get("b")) for _ in range(50)]
    await settled()
    with pytest.raises(BusyError):
        await shared.get("c")
    making.go.set()
    assert {await first, *await asyncio.gather(*others)} == {1, 2}
    assert await shared.get("c") == 3


async def test_whoever_gives_up_leaves_it_to_the_others() -> None:
    making = Making()
    shared = Shared(making, RenderSlots())
    one, other = (asyncio.create_task(shared.get("page")) for _ in range(2))
    await settled()
    one.cancel()
    await asyncio.gather(one, return_exceptions=True)
    making.go.set()
    assert await other == 1


async def test_no_scrape_gets_a_page_from_before_it_came(browse: Browse) -> None:
    taken = [0]

    def shown() -> Snapshot:
        taken[0] += 1
        return snapshot(ledger=LedgerView(pending=taken[0]))

    async with browse(FakeExporter(shown=shown)) as client:

        async def scrape() -> tuple[int, int]:
            before = taken[0]
            text = (await client.get("/metrics")).text
            line = next(line for line in text.splitlines() if line.startswith("bytespike_exporter_ledger_pending"))
            return before, int(float(line.split()[-1]))

        for _ in range(5):
            answers = await asyncio.gather(*(scrape() for _ in range(8)))
            assert all(before < page for before, page in answers)
    assert taken[0] < 40, "some were shared"


# ---- sent piece by piece ---------------------------------------------------------------------------------------------

PAGE = Rendered(tuple(Piece((text,)) for text in (b"a 1.0\n", b"b 2.0\n", b"c 3.0\n")), "text/plain")


async def sent(
    response: PageResponse, method: str, send: Callable[[MutableMapping[str, Any]], Awaitable[None]]
) -> None:
    await response({**GET_METRICS, "method": method}, partial(_forever, {}), send)


async def test_a_piece_is_made_when_there_is_room_for_it() -> None:
    bodies: list[bytes] = []
    room = asyncio.Semaphore(0)

    async def send(message: MutableMapping[str, Any]) -> None:
        await room.acquire()
        bodies.append(message.get("body", b""))

    sending = asyncio.create_task(sent(PageResponse(PAGE), "GET", send))
    for count in range(1, 5):
        room.release()
        await settled()
        assert bodies == [b"", b"a 1.0\n", b"b 2.0\n", b"c 3.0\n"][:count]
    await sending


async def test_a_reader_that_keeps_up_does_not_have_the_loop_to_itself() -> None:
    turns: list[str] = []

    async def send(message: MutableMapping[str, Any]) -> None:
        turns.append("piece")

    async def others() -> None:
        while True:
            turns.append("others")
            await asyncio.sleep(0)

    other = asyncio.create_task(others())
    await sent(PageResponse(PAGE), "GET", send)
    other.cancel()
    assert turns == ["piece", "piece", "others", "piece", "others", "piece"], "the first is of the headers"


@pytest.mark.parametrize(("method", "body"), [("GET", b"a 1.0\nb 2.0\nc 3.0\n"), ("HEAD", b"")])
async def test_the_length_is_told_and_the_end_comes_once(method: str, body: bytes) -> None:
    messages: list[MutableMapping[str, Any]] = []

    async def send(message: MutableMapping[str, Any]) -> None:
        messages.append(message)

    await sent(PageResponse(PAGE), method, send)
    assert (b"content-length", b"18") in messages[0]["headers"]
    assert b"".join(message["body"] for message in messages[1:]) == body
    assert [message.get("more_body", False) for message in messages[1:]] == [True] * (len(messages) - 2) + [False]


async def test_what_comes_before_the_end_comes_when_all_but_the_last_piece_has_gone() -> None:
    """Before that, nobody is about to have the page; after it, nobody could be asked any more whether he waits."""
    bodies: list[bytes] = []
    told: list[list[bytes]] = []

    async def send(message: MutableMapping[str, Any]) -> None:
        bodies.append(message.get("body", b""))

    async def before_end() -> None:
        told.append(list(bodies))

    await sent(PageResponse(PAGE, before_end=before_end), "GET", send)
    assert told == [[b"", b"a 1.0\n", b"b 2.0\n"]]


async def test_who_hangs_up_within_a_page_has_not_seen_it() -> None:
    exporter = FakeExporter(shown=with_new_code)
    app = create_app(exporter, log=structlog.get_logger())
    hung_up = asyncio.Event()

    async def receive() -> MutableMapping[str, Any]:
        await hung_up.wait()
        return {"type": "http.disconnect"}

    async def send(message: MutableMapping[str, Any]) -> None:
        if message["type"] == "http.response.start":
            hung_up.set()

    await app(GET_METRICS, receive, send)
    assert exporter.announcements == []


async def test_a_reader_that_never_reads_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(scrape, "PATIENCE", 0.0)
    messages: list[MutableMapping[str, Any]] = []

    async def send(message: MutableMapping[str, Any]) -> None:
        messages.append(message)
        if "body" in message:
            await asyncio.Event().wait()

    await sent(PageResponse(PAGE), "GET", send)
    assert [message.get("more_body") for message in messages] == [None, True], "the page is never said to be whole"


def another_page() -> Rendered:
    return Rendered(tuple(Piece((text,)) for text in (b"a 1.0\n", b"b 2.0\n")), "text/plain")


async def reads_nothing(message: MutableMapping[str, Any]) -> None:
    await asyncio.Event().wait()


async def test_few_pages_are_held_for_those_who_do_not_read_and_the_newest_are_kept() -> None:
    """Each holds ages of its own, many megabytes of them: hundreds of idle readers would take all memory."""
    readers = Readers(most_pages=2)
    sendings = []
    for _ in range(4):
        response = PageResponse(another_page(), readers=readers)
        sendings.append(asyncio.create_task(sent(response, "GET", reads_nothing)))
        await settled()
    assert [sending.done() for sending in sendings] == [True, True, False, False]
    for sending in sendings:
        sending.cancel()


async def test_whoever_reads_is_not_given_up_for_those_who_do_not() -> None:
    readers = Readers(most_pages=2)
    pieces = tuple(Piece((b"%d 1.0\n" % number,)) for number in range(20))
    wants = asyncio.Semaphore(0)

    async def reads_slowly(message: MutableMapping[str, Any]) -> None:
        await wants.acquire()

    slow = asyncio.create_task(sent(PageResponse(Rendered(pieces, "text/plain"), readers=readers), "GET", reads_slowly))
    idle = []
    for _ in range(4):
        wants.release()
        wants.release()
        await settled()
        idle.append(asyncio.create_task(sent(PageResponse(another_page(), readers=readers), "GET", reads_nothing)))
        await settled()
    assert not slow.done(), "it began first, but has taken something since the others began"
    assert [sending.done() for sending in idle] == [True, True, True, False]
    for sending in (slow, *idle):
        sending.cancel()


async def test_readers_of_one_page_hold_it_together_and_those_who_have_read_it_hold_nothing() -> None:
    readers = Readers(most_pages=1)
    sendings = [asyncio.create_task(sent(PageResponse(PAGE, readers=readers), "GET", reads_nothing)) for _ in range(9)]
    await settled()
    assert not any(sending.done() for sending in sendings)
    for sending in sendings:
        sending.cancel()
    await asyncio.gather(*sendings, return_exceptions=True)

    last = asyncio.create_task(sent(PageResponse(another_page(), readers=readers), "GET", reads_nothing))
    await settled()
    assert not last.done()
    last.cancel()


async def test_a_page_of_a_scrape_makes_room_for_the_next_one(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Readers.__init__, "__kwdefaults__", {"most_pages": 1})
    app = create_app(FakeExporter(shown=with_account), log=structlog.get_logger())

    async def idle_reader() -> asyncio.Task[None]:
        begun = asyncio.Event()

        async def send(message: MutableMapping[str, Any]) -> None:
            begun.set()
            await reads_nothing(message)

        reading = asyncio.create_task(app(GET_METRICS, partial(_forever, {}), send))
        await asyncio.wait_for(begun.wait(), 20)
        return reading

    first, second = await idle_reader(), await idle_reader()
    await asyncio.wait_for(first, 20)
    assert not second.done()
    second.cancel()


async def test_many_scrapes_at_once_are_all_answered_whatever_each_of_them_asks_for(browse: Browse) -> None:
    accepts = ("", "text/plain", "*/*", "application/openmetrics-text; version=1.0.0", "text/html;q=0.1, text/plain")
    encodings = ("", "gzip", "gzip, br", "deflate")
    asked = [
        ({"Accept": accept, "Accept-Encoding": encoding}, {"name[]": name} if name else {})
        for accept in accepts
        for encoding in encodings
        for name in ("", "", "bytespike_up", "python_info")
    ]
    async with browse(FakeExporter(shown=with_account)) as client:
        answers = await asyncio.gather(
            *(client.get("/metrics", headers=headers, params=params) for headers, params in asked)
        )
    assert {answer.status_code for answer in answers} == {200}


async def test_a_whole_page_is_never_turned_away_for_parts_of_it(browse: Browse) -> None:
    """Whoever asks for names may ask for as many different pages as he likes."""
    async with browse(FakeExporter(shown=with_account), RenderSlots(at_once=1, waiting=0)) as client:
        parts = [asyncio.create_task(client.get("/metrics", params={"name[]": f"n{number}"})) for number in range(30)]
        whole = [asyncio.create_task(client.get("/metrics")) for _ in range(30)]
        assert {answer.status_code for answer in await asyncio.gather(*whole)} == {200}
        assert {answer.status_code for answer in await asyncio.gather(*parts)} == {200, 503}
