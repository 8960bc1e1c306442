"""One page of ``watch``: sums on top, the tasks below, what the keys do at the bottom. Made of values alone."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from exporter.tasks.observation import Status
from exporter.terminal.text import harmless
from exporter.terminal.words import billed_or_expected, credits_text, span, style_of
from exporter.watch.overview import BY_WEIGHT, FAILED, Overview, Sums, Task
from exporter.watch.view import View

PROGRESS, CREDITS = 60, 72
MORE = {"group": 96, "model": 108, "account": 120, "out_task_id": 140}
"""From so many columns on there is room for these, too."""

ID = 31
"""Characters of an id that the API gives: ``task_`` and a ULID. What tells tasks apart is at its end."""

BESIDE_ID = 22
"""Columns that status and age take beside it."""

BAR = 8
"""Characters of the bar that shows age against ETA."""

HEAD = 4
"""Lines above the list without those about accounts: title, counts, credits, headings."""

MOST_SILENT = 3
"""So many silent accounts get a line each."""

HELP = "q quit  s sort  r reverse  f filter  / search  p pause  Esc all  \u2191 \u2193 scroll"
TYPING = "type to search, Enter keeps it, Esc ends it"


@dataclass(frozen=True, slots=True)
class Scene:
    """Everything that a page shows. ``fault`` says why nothing newer is known, and ``fault_seconds`` since when."""

    address: str
    overview: Overview | None
    view: View
    fault: str | None = None
    fault_seconds: float = 0.0


def list_lines(scene: Scene, *, height: int) -> int:
    """How many tasks there is room for."""
    silent = len(scene.overview.sums.silent) if scene.overview else 0
    return max(1, height - HEAD - min(silent, MOST_SILENT) - bool(scene.fault) - 2)


def page(scene: Scene, *, width: int, height: int) -> RenderableType:
    """The page, no higher and no wider than the terminal."""
    lines: list[RenderableType] = [_title(scene)]
    if scene.fault:
        lines.append(_line(f"! {harmless(scene.fault)}, for {span(scene.fault_seconds)}; asking again", "bold red"))
    if scene.overview is None:
        return Group(*lines, _line("" if scene.fault else "asking ...", "dim"))
    room = list_lines(scene, height=height)
    tasks = scene.view.shown(scene.overview)
    view = scene.view.within(len(tasks), lines=room)
    lines += _sums(scene.overview.sums)
    lines.append(_table(tasks[view.top : view.top + room], scene.overview.at, width=width))
    lines += [Text()] * (room - len(tasks[view.top : view.top + room]))
    lines += [_where(scene.overview, tasks, view, room), _line(TYPING if view.is_typing else HELP, "dim")]
    return Group(*lines)


def _line(text: str, style: str = "") -> Text:
    return Text(text, style=style, no_wrap=True, overflow="ellipsis")


def _title(scene: Scene) -> Text:
    line = _line("bytespike-exporter ", "bold")
    line.append(harmless(scene.address), "not bold")
    if scene.overview:
        line.append(f"  {scene.overview.at:%Y-%m-%d %H:%M:%S} UTC", "not bold dim")
    if scene.view.is_paused:
        line.append("  paused", "bold yellow")
    return line


def _sums(sums: Sums) -> Iterator[Text]:
    counts = _line("tasks ")
    counts.append(str(sums.total), "bold")
    for status in sorted(sums.by_status, key=_weight):
        if count := sums.by_status[status]:
            counts.append(f"  {harmless(status)} ").append(str(count), style_of(status))
    yield counts
    money = _line("credits used ")
    money.append(credits_text(sums.credits_used) or "0", "bold").append("  outstanding ")
    money.append(credits_text(sums.credits_outstanding) or "0", "bold")
    money.append("  overdue ").append(str(sums.overdue), "bold yellow" if sums.overdue else "")
    yield money
    for name, reason in list(sums.silent.items())[:MOST_SILENT]:
        yield _line(f"! account {harmless(name)}: {harmless(reason)}", "bold red")


def _weight(status: str) -> int:
    known: Sequence[str] = BY_WEIGHT
    return known.index(status) if status in known else len(known)


def _table(tasks: Sequence[Task], now: datetime, *, width: int) -> Table:
    table = Table(box=None, expand=True, padding=(0, 1, 0, 0), pad_edge=False)
    table.add_column("", width=1)
    table.add_column("status", width=10, no_wrap=True)
    table.add_column("task", width=_id_width(width), no_wrap=True, overflow="ellipsis")
    for heading in _more_headings(width):
        table.add_column(heading, ratio=1, no_wrap=True, overflow="ellipsis")
    table.add_column("age", width=7, justify="right", no_wrap=True)
    if width >= PROGRESS:
        table.add_column("of ETA, or error", ratio=1, min_width=BAR + 5, no_wrap=True, overflow="ellipsis")
    if width >= CREDITS:
        table.add_column("credits", width=8, justify="right", no_wrap=True, overflow="ellipsis")
    for task in tasks:
        table.add_row(*_row(task, now, width=width))
    return table


def _row(task: Task, now: datetime, *, width: int) -> Iterator[Text]:
    style = style_of(task.status)
    yield Text("!" if _stands_out(task, now) else " ", style="bold red")
    yield Text(harmless(task.status), style=style)
    yield Text(harmless(task.name), style="bold" if style.startswith("bold") else "")
    more = {"group": task.group, "model": task.model, "account": task.account, "out_task_id": task.out_task_id}
    yield from (Text(harmless(more[heading] or "")) for heading in _more_headings(width))
    age = task.age(now)
    yield Text("" if age is None else span(age))
    if width >= PROGRESS:
        yield _progress(task, now)
    if width >= CREDITS:
        yield Text(billed_or_expected(task.credits_used, task.credits_estimated, is_open=task.is_open))


def _id_width(width: int) -> int:
    beside = BESIDE_ID + (BAR + 6 if width >= PROGRESS else 0) + (9 if width >= CREDITS else 0)
    return max(1, min(ID, width - beside))


def _more_headings(width: int) -> Sequence[str]:
    """What a line has room for beside what each has."""
    return [heading for heading, least in MORE.items() if width >= least]


def _stands_out(task: Task, now: datetime) -> bool:
    """What has failed, and what takes longer than three times its ETA, also where there are no colours."""
    return task.status in (*FAILED, Status.UNKNOWN) or (task.is_open and (task.progress(now) or 0.0) > 3)


def _progress(task: Task, now: datetime) -> Text:
    if not task.is_open:
        return Text(harmless(task.error_code or ""), style=style_of(task.status))
    part = task.progress(now)
    if part is None:
        return Text()
    filled = round(min(part, 1.0) * BAR)
    bar = Text("━" * filled, style="cyan" if part <= 1 else "yellow")
    bar.append("╌" * (BAR - filled), "dim")
    return bar.append(f" {min(part, 99):.0%}", "" if part <= 1 else "yellow")


def _where(overview: Overview, tasks: Sequence[Task], view: View, room: int) -> Text:
    """Which of the tasks are on the page, and how they were chosen."""
    first, last = view.top + bool(tasks), min(view.top + room, len(tasks))
    line = _line(f"{first}-{last} of {len(tasks)}", "dim")
    if len(overview.tasks) < overview.sums.total:
        line.append(f" ({overview.sums.total} are followed; of a status the first 1,000 are listed)")
    line.append(f"  by {view.sort}{', reversed' if view.is_reversed else ''}  {view.only}")
    if view.search or view.is_typing:
        line.append(f"  /{harmless(view.search)}{'_' if view.is_typing else ''}", "bold")
    return line
