"""``/tasks`` and ``/tasks/{id}``: for whom, of whom, and at what cost, whatever anybody calls anything."""

import asyncio
import re
from html import unescape
from html.parser import HTMLParser
from itertools import pairwise
from pathlib import Path

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from exporter.intake.answers import LastAnswer
from exporter.ledger.ledger import LedgerError
from exporter.metrics.snapshot import AccountView
from exporter.polling.poller import Miss, Outlook
from exporter.service.elsewhere import KeptTask, Owner
from exporter.settings.model import AccountSettings, Settings
from exporter.tasks.identity import TaskRef
from exporter.tasks.item import TaskLabels
from exporter.tasks.observation import Said, Status
from exporter.tasks.view import TaskView
from exporter.web.site import Site
from exporter.web.task_pages import pages
from tests.support.api_rig import CONFIG, api_rig
from tests.support.browse import Browse
from tests.support.fake_exporter import NOW, FakeAccounts, FakeElsewhere, FakeExporter, FakeTasks, snapshot, task_view

STATUSES = list(Status)


def mixed(number: int) -> TaskView:
    """Of each status as many as of any other; the higher the number, the younger and the dearer."""
    view, status = task_view(number), STATUSES[number % len(STATUSES)]
    ended = {"finished_at": NOW - 1, "duration": 5.0} if status.is_terminal else {}
    state = replace(
        view.state,
        status=status,
        submitted_at=NOW - 1000 + number,
        observed_at=None if status is Status.UNOBSERVED else NOW - number,
        eta_seconds=60.0,
        credits_estimated=float(number),
        error_code="nsfw" if status is Status.FAILED else None,
        **ended,
    )
    return replace(view, state=state)


def names(page: httpx.Response) -> list[str]:
    assert page.status_code == 200, page.text
    return re.findall(r'<tr><th scope="row"><a href="[^"]*">([^<]*)</a>', page.text)


# ---- the list --------------------------------------------------------------------------------------------------------


async def test_no_task_is_followed(browse: Browse) -> None:
    async with browse(FakeExporter()) as client:
        page = await client.get("/tasks")
    assert names(page) == []
    assert "No task is followed" in page.text


@pytest.mark.parametrize(
    ("query", "listed"),
    [
        ("", ["t63", "t62", "t61"]),
        ("?sort=submitted", ["t0", "t1", "t2"]),
        ("?status=failed", ["t59", "t51", "t43"]),
        ("?status=open&sort=submitted", ["t0", "t1", "t6"]),
        ("?error_code=nsfw&sort=credits", ["t3", "t11", "t19"]),
        ("?overdue=yes&sort=-progress", ["t0", "t1", "t7"]),
        ("?q=T6&sort=task", ["t6", "t60", "t61"]),
        ("?sort=asked&status=running", ["t57", "t49", "t41"]),
        ("?sort=next", ["t63", "t62", "t61"]),
        ("?sort=-next", ["t0", "t1", "t2"]),
        ("?group=elsewhere", []),
    ],
)
async def test_filters_and_orders(browse: Browse, query: str, listed: list[str]) -> None:
    outlooks = {number: Outlook(100.0 - number) for number in range(64)}
    exporter = FakeExporter(tasks=FakeTasks(64, mixed), accounts=FakeAccounts(outlooks))
    async with browse(exporter) as client:
        assert names(await client.get(f"/tasks{query}"))[:3] == listed


async def test_pages_hold_every_task_once(browse: Browse) -> None:
    async with browse(FakeExporter(tasks=FakeTasks(120, mixed))) as client:
        listed, link = [], "tasks?size=25"
        while link:
            page = await client.get(f"/{link}")
            listed += names(page)
            found = re.search(r'href="([^"]*)" rel="next"', page.text)
            link = found[1].replace("&amp;", "&") if found else ""
        assert listed == [f"t{number}" for number in range(119, -1, -1)]
        beyond = await client.get("/tasks?page=4")
        assert "this page is beyond the last one" in beyond.text


async def test_what_is_counted_is_linked_to_what_is_listed(browse: Browse) -> None:
    async with browse(FakeExporter(tasks=FakeTasks(64, mixed))) as client:
        page = (await client.get("/tasks?group=renders")).text
        chips = re.findall(r'<a class="chip [a-z_]+" href="([^"]*)"[^>]*>([a-z ]+) <b>(\d+)</b>', page)
        assert [words for _, words, _ in chips] == ["all", "open", "overdue", *(s.replace("_", " ") for s in STATUSES)]
        for link, words, count in chips:
            listed = names(await client.get(f"/{link}&size=200".replace("&amp;", "&")))
            assert len(listed) == int(count), words


async def test_every_link_leads_somewhere_also_behind_a_prefix(browse: Browse) -> None:
    site = Site.of(external_url="https://host/a/b", route_prefix="", telemetry_path="/metrics")
    tasks = FakeTasks(60, lambda number: replace(mixed(number), state=replace(mixed(number).state, ref=odd(number))))
    async with browse(FakeExporter(tasks=tasks), site=site) as client:
        for path in ("/a/b/tasks", "/a/b/tasks/t1", "/a/b/tasks/not%2Fthere", "/a/b/"):
            page = await client.get(path)
            links = [link.replace("&amp;", "&") for link in re.findall(r'(?:href|src)="([^"]*)"', page.text)]
            assert len(links) > 5
            for link in set(links) - {"#tasks"}:
                if "probe?" not in link and "tasks/" not in link:
                    found = await client.get(str(page.url.join(link)))
                    assert found.status_code == 200, (path, link)


def odd(number: int) -> TaskRef:
    return TaskRef("default", task_id=f"t{number}", out_task_id=f"o/{number}?x#y")


async def test_faults_of_the_query_are_said_in_words(browse: Browse) -> None:
    async with browse(FakeExporter()) as client:
        refused = await client.get("/tasks?status=done&size=3")
    assert refused.status_code == 422
    assert "is no status; allowed: open, ended" in refused.text


async def test_an_account_that_is_held_back_is_told_of(browse: Browse) -> None:
    held = snapshot(accounts=(AccountView("default", suspended="payment"),))
    async with browse(FakeExporter(tasks=FakeTasks(9, mixed), shown=lambda: held)) as client:
        assert "Account default is held back: payment." in (await client.get("/tasks")).text
        assert "Account default is held back (payment)" in (await client.get("/tasks/t1")).text
        assert "held back" not in (await client.get("/tasks/t2")).text, "it has ended"


# ---- one task --------------------------------------------------------------------------------------------------------


async def test_a_task_with_its_answer_and_what_failed(browse: Browse) -> None:
    said = Said(b'{"task_id": "t1", "url": "https://cdn.example/x?sig=1"}')
    exporter = FakeExporter(
        tasks=FakeTasks(9, mixed),
        answers={1: LastAnswer(NOW - 3, said, len(said.text)), 3: LastAnswer(NOW, None, 20_000)},
        accounts=FakeAccounts({1: Outlook(4.0, failures=2, last_miss=Miss(NOW - 1, "timeout: <nothing>"))}),
    )
    async with browse(exporter) as client:
        page = (await client.get("/tasks/t1")).text
        for text in ("https://cdn.example/x?***", "timeout: &lt;nothing&gt;", "2 queries in a row have failed"):
            assert text in page
        assert "it had 20,000 bytes" in (await client.get("/tasks/t3")).text
        assert "Not kept: only of the tasks that changed last" in (await client.get("/tasks/t5")).text
        assert 'data-refresh="5"' in page
        assert 'data-refresh="0"' in (await client.get("/tasks/t2")).text, "it does not change any more"


@pytest.mark.parametrize("name", ["t10", "%3Cscript%3E", "a%2Fb", "..%2Fconfig", "x" * 5000, "%00", "%E2%80%AE"])
async def test_a_task_that_nobody_follows(browse: Browse, name: str) -> None:
    async with browse(FakeExporter(tasks=FakeTasks(9))) as client:
        page = await client.get(f"/tasks/{name}")
    assert page.status_code == 404
    assert "is followed now" in page.text
    assert "<script>" not in page.text
    assert len(page.text) < 20_000


async def test_an_id_that_two_accounts_have(browse: Browse) -> None:
    accounts = tuple(AccountSettings(name, "https://api.example", api_key_env="KEY") for name in ("one", "t&o"))

    class Twice(FakeTasks):
        def find(self, ref: TaskRef) -> TaskView | None:
            number = [account.name for account in accounts].index(ref.account)
            view = replace(mixed(number), labels=TaskLabels(ref.account, "renders"))
            return view if ref.task_id else None

    async with browse(FakeExporter(Settings(accounts=accounts), tasks=Twice(2))) as client:
        page = await client.get("/tasks/t0")
        assert page.status_code == 300
        links = re.findall(r'<li><a href="([^"]*)">', page.text)
        assert links == ["../tasks/t0?account=one", "../tasks/t1?account=t%26o"]
        assert (await client.get("/tasks/t0?account=one")).status_code == 200


# ---- hostile names ---------------------------------------------------------------------------------------------------

NAMES = st.text(st.characters(exclude_categories=["C", "Z"]), min_size=1, max_size=20) | st.sampled_from(
    [
        "</script><script>alert(1)</script>",
        "\"'><img/src=x/onerror=alert(1)>",
        "javascript:alert(1)",
        "{{7*7}}{%raw%}",
        "&lt;b&gt;&amp;",
        "..;/..%2f",
        "?a=b&c=d#e",
        "W" * 200,
        "名" * 100,
        "]]>-->",
    ]
)

TAGS = {
    *("html", "head", "meta", "title", "style", "script", "body", "header", "h1", "h2", "nav", "a", "main", "div"),
    *("ul", "ol", "li", "b", "form", "label", "input", "select", "option", "button", "datalist", "table", "thead"),
    *(
        "tbody",
        "tr",
        "th",
        "td",
        "small",
        "time",
        "span",
        "svg",
        "path",
        "p",
        "noscript",
        "dl",
        "dt",
        "dd",
        "code",
        "pre",
    ),
}


class Reader(HTMLParser):
    """Reads a page as browsers do, and keeps its tags, attributes and texts."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.tags: set[str] = set()
        self.attributes: list[tuple[str, str]] = []
        self.texts: list[str] = []
        self.feed(page)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.add(tag)
        self.attributes += [(name, value or "") for name, value in attrs]

    def handle_data(self, data: str) -> None:
        self.texts.append(data)


@pytest.mark.slow
@given(st.lists(NAMES, min_size=8, max_size=8))
def test_whatever_anything_is_called_it_is_text(called: list[str]) -> None:
    task_id, out_id, account, group, model, key, value, code = called
    state = replace(mixed(3).state, ref=TaskRef(account, task_id, out_id), error_code=code)
    labels = TaskLabels(account, group, model, ((key, value),))
    task = replace(mixed(3), labels=labels, state=state, sources=(f"{group}/static/0",))
    exporter = FakeExporter(
        tasks=FakeTasks(1, lambda _: task),
        shown=lambda: snapshot(accounts=(AccountView(account, suspended="payment"),), known=(labels,)),
        answers={3: LastAnswer(NOW, Said(b'{"x": "</pre><script>"}'), 9)},
    )
    exporter.tasks.find = lambda ref: task  # type: ignore[method-assign] # whatever it is asked by
    for page in asyncio.run(both_pages(exporter)):
        read = Reader(page)
        assert read.tags <= TAGS
        assert not [name for name, _ in read.attributes if name.startswith("on") or name == "style"]
        assert not [value for name, value in read.attributes if name in ("href", "src") and ":" in value.split("?")[0]]
        text = "".join(read.texts)
        assert all(name in text for name in (task_id, out_id, group, model, value, code))


async def both_pages(exporter: FakeExporter) -> list[str]:
    import structlog

    from exporter.web.app import create_app

    app = create_app(exporter, log=structlog.get_logger())
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://localhost") as client:
        found = [await client.get("/tasks"), await client.get("/tasks/t0")]
    assert [page.status_code for page in found] == [200, 200]
    return [page.text for page in found]


# ---- who may see them ------------------------------------------------------------------------------------------------

LED = {"Sec-Fetch-Site": "cross-site", "Sec-Fetch-Mode": "navigate", "Sec-Fetch-Dest": "document"}


@pytest.mark.parametrize("path", ["/tasks", "/tasks/x", "/api/v1/tasks", "/api/v1/tasks/x"])
async def test_the_pages_are_no_more_open_than_the_api(tmp_path: Path, path: str) -> None:
    (tmp_path / "token").write_text("the-token-of-the-exporter")
    for config, stranger, here in ((CONFIG, 403, 200), (CONFIG + "api: {token_file: token}\n", 401, 401)):
        async with api_rig(tmp_path, config) as rig, rig.client_from("10.0.0.7") as outside:
            if here == 200:
                await rig.register("x")
            assert (await outside.get(path)).status_code == stranger
            assert (await rig.client.get(path)).status_code == here
            assert (await rig.client.get(path, headers={"X-Forwarded-For": "1.2.3.4"})).status_code == stranger


async def test_a_browser_without_a_token_is_told_how_one_gets_in(tmp_path: Path) -> None:
    (tmp_path / "token").write_text("the-token-of-the-exporter")
    async with api_rig(tmp_path, CONFIG + "api: {token_file: token}\n") as rig:
        for path in ("/tasks", "/tasks/x"):
            refused = await rig.client.get(path)
            assert refused.headers["www-authenticate"] == "Bearer"
            assert "basic_auth_users of the web configuration file" in refused.text


async def test_a_link_elsewhere_leads_to_a_page_and_to_nothing_else(tmp_path: Path) -> None:
    async with api_rig(tmp_path) as rig:
        await rig.register("x")

        async def status(path: str, **others: str) -> int:
            headers = {**LED, **{f"Sec-Fetch-{name}": value for name, value in others.items()}}
            return (await rig.client.get(path, headers=headers)).status_code

        assert [await status(path) for path in ("/tasks", "/tasks/x")] == [200, 200]
        assert [await status(path) for path in ("/api/v1/tasks", "/config")] == [403, 403]
        for others in ({"Dest": "iframe"}, {"Mode": "cors"}, {"Mode": "no-cors", "Dest": "image"}):
            assert await status("/tasks", **others) == 403, others


async def test_pages_run_our_script_alone(browse: Browse) -> None:
    async with browse(FakeExporter(tasks=FakeTasks(1))) as client:
        for path in ("/tasks", "/tasks/t0"):
            page = await client.get(path)
            policy = dict(part.split(" ", 1) for part in page.headers["content-security-policy"].split("; "))
            assert policy.pop("style-src").startswith("'sha256-")
            assert policy == {
                "default-src": "'none'",
                "script-src": "'self'",
                "connect-src": "'self'",
                "form-action": "'self'",
                "base-uri": "'none'",
                "frame-ancestors": "'none'",
            }
            [script] = re.findall(r'<script src="([^"]*)" defer></script>', page.text)
            found = await client.get(str(page.url.join(script)))
            assert found.headers["content-type"].startswith("text/javascript")
            assert found.headers["x-content-type-options"] == "nosniff"


# ---- what it costs ---------------------------------------------------------------------------------------------------


async def test_no_turn_of_the_loop_looks_at_more_than_one_slice(browse: Browse) -> None:
    tasks = FakeTasks(20 * pages.SLICE)
    turns: list[int] = []

    async def count() -> None:
        while True:
            turns.append(len(tasks.reads))
            await asyncio.sleep(0)

    counting = asyncio.create_task(count())
    async with browse(FakeExporter(tasks=tasks)) as client:
        found = await asyncio.gather(*(client.get(f"/tasks?size={size}") for size in (25, 50, 100, 200)))
    counting.cancel()
    assert [page.status_code for page in found] == [200] * 4
    assert max(after - before for before, after in pairwise(turns)) <= 1
    assert max(tasks.reads) == pages.SLICE


async def test_many_that_look_at_the_same_share_one_look(browse: Browse) -> None:
    tasks = FakeTasks(5 * pages.SLICE)
    async with browse(FakeExporter(tasks=tasks)) as client:
        found = await asyncio.gather(*(client.get("/tasks") for _ in range(30)))
    assert {page.status_code for page in found} == {200}
    assert len(tasks.reads) <= 2 * 6, "one look that had begun, and one for all that came later"


async def test_too_many_different_looks_are_told_to_come_back(browse: Browse) -> None:
    async with browse(FakeExporter(tasks=FakeTasks(3 * pages.SLICE))) as client:
        found = await asyncio.gather(*(client.get(f"/tasks?q={number}") for number in range(60)))
        scrape = await client.get("/metrics")
    statuses = {page.status_code for page in found}
    assert statuses == {200, 503}
    assert scrape.status_code == 200


async def test_nothing_is_looked_at_when_nobody_looks(browse: Browse) -> None:
    tasks = FakeTasks(1000)
    async with browse(FakeExporter(tasks=tasks)) as client:
        for path in ("/", "/metrics", "/-/healthy", "/static/refresh.js"):
            assert (await client.get(path)).status_code == 200
    assert tasks.reads == []


# ---- what another exporter follows -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("owner", "said", "link"),
    [
        (
            Owner("two", "http://two:9877/x"),
            "Replica two follows account default",
            "http://two:9877/x/tasks/t7?account=default",
        ),
        (Owner("two", ""), "Replica two follows account default.", ""),
        (Owner("two", "javascript:alert(1)"), "Replica two follows account default.", ""),
        (None, "no replica is known to own it at the moment", ""),
    ],
)
async def test_a_task_elsewhere_is_shown_with_the_way_there(
    browse: Browse, owner: Owner | None, said: str, link: str
) -> None:
    elsewhere = FakeElsewhere(kept=[KeptTask(task_view(7), owner)])
    async with browse(FakeExporter(elsewhere=elsewhere)) as client:
        page = await client.get("/tasks/t7")
        missing = await client.get("/tasks/t8")
    assert (page.status_code, missing.status_code) == (200, 404)
    assert said in page.text
    assert re.findall(r'<a href="([a-z]+:[^"]*)"', page.text) == ([link] if link else [])
    assert "script-src" not in page.headers["content-security-policy"]


async def test_a_ledger_that_cannot_be_read_is_no_missing_task(browse: Browse) -> None:
    async with browse(FakeExporter(elsewhere=FakeElsewhere(refusal=LedgerError("away")))) as client:
        page = await client.get("/tasks/t7")
    assert (page.status_code, page.headers["retry-after"]) == (503, "5")


async def test_the_list_leads_to_the_same_list_of_each_account_elsewhere(browse: Browse) -> None:
    owners = {"<green>": Owner("two", "http://two:9877"), "red": None}
    async with browse(FakeExporter(elsewhere=FakeElsewhere(owners=owners))) as client:
        page = unescape((await client.get("/tasks?status=failed")).text)
        assert '<a href="http://two:9877/tasks?status=failed&account=%3Cgreen%3E"><green></a> (two)' in page
        assert "red (no owner known)" in page
        assert "<green>" not in (await client.get("/tasks")).text
        assert "Not followed here" not in (await client.get("/tasks?account=blue")).text
        assert '<a href="http://two:9877/">' in (await client.get("/")).text
    async with browse(FakeExporter()) as client:
        for path in ("/tasks", "/"):
            assert "Not followed here" not in (await client.get(path)).text
