"""The pages in a real browser: light and dark, wide and narrow, with none, one and very many tasks of hostile names."""

import asyncio
import threading
from collections.abc import Iterator
from contextlib import closing, contextmanager
from itertools import product

import pytest
import structlog
import uvicorn
from axe_playwright_python.sync_playwright import Axe  # type: ignore[import-untyped] # it has no types
from msgspec.structs import replace
from playwright.sync_api import Browser, Page, sync_playwright

from exporter.intake.answers import LastAnswer
from exporter.metrics.snapshot import AccountView
from exporter.polling.poller import Miss, Outlook
from exporter.tasks.identity import TaskRef
from exporter.tasks.item import TaskLabels
from exporter.tasks.observation import Said, Status
from exporter.tasks.state import Submission
from exporter.tasks.view import StatusChange, TaskView
from exporter.web.app import create_app
from exporter.web.listening import address_of, listen
from tests.support.fake_exporter import NOW, FakeAccounts, FakeExporter, FakeTasks, census, snapshot, task_view
from tests.support.tools import need_tool

pytestmark = pytest.mark.e2e

MANY = 10_000
ARGUMENTS = [
    *("--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking"),
    *("--disable-component-update", "--disable-sync"),
]
SCHEMES = ("light", "dark")
WIDTHS = (1280, 360)
PATIENCE = 60_000
"""Milliseconds that the browser may take for anything."""

HOSTILE = [
    "<script>document.title='owned'</script>",
    "\"'><img/src=x/onerror=document.title='owned'>",
    "W" * 200,
    "名前" * 60,
    "a/../b?c=d&e#f%2F",
    "{{7*7}}",
]


def hostile(number: int) -> TaskView:
    """A task of which everything is called as nobody should call anything."""
    name = HOSTILE[number % len(HOSTILE)]
    status = list(Status)[number % len(Status)]
    state = replace(
        task_view(number).state,
        ref=TaskRef("default", task_id=f"t{number}", out_task_id=name),
        status=status,
        submission=Submission.ULID,
        submitted_at=NOW - 10 * (number % 30),
        observed_at=None if status is Status.UNOBSERVED else NOW - number % 60,
        eta_seconds=90.0 if number % 3 else None,
        credits_estimated=1.5,
        error_code=name[:100] if status is Status.FAILED else None,
        finished_at=NOW if status.is_terminal else None,
        duration=75.0 if status.is_terminal else None,
    )
    labels = TaskLabels("default", name, name, (("team", name),))
    history = (StatusChange(NOW - 40, Status.PENDING), StatusChange(NOW - 20, status))
    return TaskView(number, labels, state, (f"{name}/static/0",), history)


def exporter_of(count: int) -> FakeExporter:
    tasks = [hostile(number) for number in range(count)]
    said = Said(b'{"output": [{"url": "https://cdn.example/x?sig=<b>"}], "x": "</pre><script>"}')
    counts = {(task.labels, task.state.status): 1 for task in tasks[: len(HOSTILE)]}
    overdue = {task.labels: 1 for task in tasks[: len(HOSTILE)]}
    accounts = (AccountView("default", suspended="payment"),)
    return FakeExporter(
        tasks=FakeTasks(count, tasks.__getitem__),
        accounts=FakeAccounts(dict.fromkeys(range(count), Outlook(-3.0, failures=2, last_miss=Miss(NOW, HOSTILE[0])))),
        answers=dict.fromkeys(range(count), LastAnswer(NOW, said, len(said.text))),
        shown=lambda: snapshot(accounts=accounts, census=census(counts=counts, overdue=overdue)),
    )


@contextmanager
def served(exporter: FakeExporter) -> Iterator[str]:
    """The address at which the exporter's pages are served."""
    with closing(listen("127.0.0.1", 0)) as listener:
        config = uvicorn.Config(create_app(exporter, log=structlog.get_logger()), log_level="error", lifespan="off")
        server = uvicorn.Server(config)
        thread = threading.Thread(target=lambda: asyncio.run(server.serve(sockets=[listener])))
        thread.start()
        try:
            yield f"http://{address_of(listener)}"
        finally:
            server.should_exit = True
            thread.join()


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    program = need_tool("chromium")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=program, args=ARGUMENTS, timeout=PATIENCE)
        yield browser
        browser.close()


@contextmanager
def opened(browser: Browser, scheme: str = "light", width: int = 1280, *, scripts: bool = True) -> Iterator[Page]:
    """A page of the browser; whatever it complains of fails the test."""
    complaints: list[str] = []
    context = browser.new_context(
        color_scheme=scheme,  # type: ignore[arg-type] # it is one of the two
        viewport={"width": width, "height": 900},
        java_script_enabled=scripts,
    )
    context.set_default_timeout(PATIENCE)
    page = context.new_page()
    page.on("console", lambda message: complaints.append(message.text) if message.type == "error" else None)
    page.on("pageerror", lambda error: complaints.append(str(error)))
    yield page
    context.close()
    assert [text for text in complaints if "favicon" not in text and "ERR_CONNECTION" not in text] == []


def look_at(page: Page) -> None:
    """What must be so of any page: nothing runs off it, nothing of a name has run, and everybody can use it."""
    assert page.evaluate("document.documentElement.scrollWidth - innerWidth") <= 0, "it would scroll sideways"
    assert "owned" not in page.title()
    # by the debugger's leave, which no policy of a page can refuse
    found = Axe().run(page, options={"resultTypes": ["violations"]}).response["violations"]
    assert [(each["id"], each["nodes"][0]["html"]) for each in found] == []


@pytest.mark.slow
def test_what_keeps_people_from_using_a_page_is_nowhere(browser: Browser) -> None:
    """A few of all that there are; the next test looks at the others, too."""
    with served(exporter_of(MANY)) as address:
        for path, scheme, width in (("/tasks?size=25", "dark", 360), ("/tasks/t3", "light", 1280)):
            with opened(browser, scheme, width) as page:
                page.goto(address + path)
                look_at(page)


@pytest.mark.long
@pytest.mark.parametrize("count", [0, 1])
def test_every_page_in_each_light_and_width(browser: Browser, count: int) -> None:
    paths = ["/", "/tasks", "/tasks?overdue=yes", *(f"/tasks/t{number}" for number in {0, 3} & {*range(count)})]
    with served(exporter_of(count)) as address:
        for path, scheme, width in product(paths, SCHEMES, WIDTHS):
            with opened(browser, scheme, width) as page:
                page.goto(address + path)
                look_at(page)


@pytest.mark.slow
def test_without_scripts_everything_can_be_reached(browser: Browser) -> None:
    with served(exporter_of(120)) as address, opened(browser, scripts=False) as page:
        page.goto(f"{address}/tasks")
        page.locator("select[name=status]").select_option("failed")
        page.get_by_role("searchbox", name="Id or label").fill("t1")
        page.get_by_role("button", name="Show").click()
        page.wait_for_url("**/tasks?**status=failed**")
        assert {"t11", "t19"} <= {cell.inner_text().split("\n")[0] for cell in page.locator("tbody th").all()}
        page.get_by_role("link", name="Show all").click()
        page.get_by_role("link", name="Next", exact=True).click()
        page.wait_for_url("**page=2**")
        page.locator("tbody th a").first.click()
        page.get_by_role("heading", name="What was observed").wait_for()
        assert not page.get_by_role("button").is_visible()


@pytest.mark.slow
def test_a_page_refreshes_itself_keeps_the_focus_and_can_be_paused(browser: Browser) -> None:
    exporter = exporter_of(1)
    with served(exporter) as address, opened(browser) as page:
        page.clock.install()
        page.goto(f"{address}/tasks")
        link = page.get_by_role("link", name="t0", exact=True)
        link.focus()
        exporter.tasks.view = lambda number: hostile(number + 3 if number else 0)
        exporter.tasks.count = 2
        page.clock.run_for(6000)
        page.get_by_role("link", name="t4", exact=True).wait_for()
        assert link.evaluate("it => it === document.activeElement")
        page.get_by_role("button", name="Pause refreshing").click()
        exporter.tasks.count = 1
        page.clock.run_for(20_000)
        assert page.get_by_role("link", name="t4", exact=True).is_visible()
        page.get_by_role("button", name="Go on refreshing").click()
        page.clock.run_for(6000)
        page.get_by_role("link", name="t4", exact=True).wait_for(state="detached")


@pytest.mark.slow
def test_an_exporter_that_has_gone_is_told_of_and_what_was_seen_stays(browser: Browser) -> None:
    with opened(browser) as page:
        page.clock.install()
        with served(exporter_of(1)) as address:
            page.goto(f"{address}/tasks")
        page.clock.run_for(6000)
        page.get_by_text("Could not be refreshed").wait_for()
        assert page.get_by_role("link", name="t0", exact=True).is_visible()
