"""The page, on a terminal of any size: nothing is higher or wider than it, and no name tells it what to do."""

from io import StringIO

import pytest
from rich.cells import cell_len
from rich.console import Console

from exporter.watch.overview import Overview
from exporter.watch.page import Scene, list_lines, page
from exporter.watch.view import View
from tests.watch.overviews import overview, task

EVERYTHING = View()

ID = "task_01HQX9F2P6Y8VEX3CRZ8GXJVD9"
EVIL = "\x1b[2J\x1b]0;pwned\x07\u202e[bold red]x[/]\r\n日本語日本語" + "\u0301" * 50


def lines(scene: Scene, *, width: int = 80, height: int = 24, has_colours: bool = False) -> list[str]:
    console = Console(
        file=StringIO(),
        width=width,
        height=height,
        force_terminal=has_colours,
        color_system="standard" if has_colours else None,
        _environ={},
    )
    with console.capture() as capture:
        console.print(page(scene, width=width, height=height))
    return [line.rstrip() for line in capture.get().splitlines()]


def scene(found: Overview | None, view: View = EVERYTHING, **parts: object) -> Scene:
    return Scene("http://localhost:9877", found, view, **parts)  # type: ignore[arg-type] # a test says which


def test_a_page_of_eighty_columns() -> None:
    found = overview(
        task(ID, "running", age=15, estimated_seconds=30.0, credits_estimated=1.5),
        task("task_2", "failed", error_code="content_policy_violation"),
        credits_used=1234.5,
        credits_outstanding=1.5,
        overdue=1,
        silent={"default": "invalid_api_key"},
    )
    shown = lines(scene(found))
    assert shown[:7] == [
        "bytespike-exporter http://localhost:9877  2026-11-27 20:00:00 UTC",
        "tasks 2  failed 1  running 1",
        "credits used 1,234.50  outstanding 1.50  overdue 1",
        "! account default: invalid_api_key",
        "  status     task                                age of ETA, or error    credits",
        "! failed     task_2                              10s content_policy_vi…",
        f"  running    {ID}     15s ━━━━╌╌╌╌ 50%          ~1.50",
    ]
    assert shown[-2] == "1-2 of 2  by status  all"
    assert shown[-1].startswith("q quit  s sort")
    assert len(shown) == 24


@pytest.mark.parametrize(("width", "headings"), [(80, 0), (100, 1), (110, 2), (120, 3), (140, 4)])
def test_a_wider_terminal_shows_more(width: int, headings: int) -> None:
    [line] = [line for line in lines(scene(overview(task("t1"))), width=width) if line.startswith("  status")]
    more = ["group", "model", "account", "out_task_id"]
    assert [heading for heading in more if heading in line] == more[:headings]


@pytest.mark.parametrize("width", [20, 40, 79, 80, 100, 130, 250])
@pytest.mark.parametrize("height", [1, 5, 8, 24, 60])
def test_it_is_no_wider_than_the_terminal_whatever_the_names(width: int, height: int) -> None:
    found = overview(
        *(
            task(f"{EVIL}{at}", status, group=EVIL, model=EVIL, account=EVIL, out_task_id=EVIL, error_code=EVIL)
            for at, status in enumerate(["failed", "running", EVIL] * 20)
        ),
        silent={EVIL: EVIL},
    )
    shown = lines(scene(found, View(search=EVIL), fault=EVIL), width=width, height=height)
    assert all(cell_len(line) <= width for line in shown)
    assert all(line.isprintable() for line in shown)


def test_its_lines_fill_the_terminal_and_no_more() -> None:
    many = overview(*(task(f"t{at}") for at in range(100)))
    for silent in ({}, {"a": "x", "b": "x"}, dict.fromkeys("abcdef", "x")):
        for fault in (None, "no connection"):
            found = scene(
                Overview(many.at, type(many.sums)(by_status={"running": 100}, silent=silent), many.tasks), fault=fault
            )
            assert len(lines(found, height=30)) == 30, (silent, fault)
            assert list_lines(found, height=30) < 30


def test_failures_stand_out_without_colours_too() -> None:
    found = overview(task("bad", "failed"), task("good", "completed"), task("late", age=400, estimated_seconds=100.0))
    marked = [line for line in lines(scene(found)) if line.startswith("!")]
    assert ["bad" in marked[0], "late" in marked[1], len(marked)] == [True, True, 2]


def test_an_exporter_that_does_not_answer() -> None:
    assert lines(scene(None))[1] == "asking ..."
    gone = lines(scene(overview(task("t1")), fault="no connection", fault_seconds=75))
    assert gone[1] == "! no connection, for 1m15s; asking again"
    assert any("t1" in line for line in gone), "what was known last stays"


def test_what_is_not_listed_is_said() -> None:
    found = overview(task("t1"), by_status={"running": 5000})
    assert "(5000 are followed; of a status the first 1,000 are listed)" in lines(scene(found), width=130)[-2]


def test_colours_are_left_out_where_nobody_wants_them() -> None:
    found = scene(overview(task("bad", "failed")))
    assert any("\x1b[1;31m" in line for line in lines(found, has_colours=True))
    assert not any("\x1b" in line for line in lines(found))
