"""While tasks are waited for: a bar for each against its ETA, or a line for each change where none can be drawn."""

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager

from rich.console import Console
from rich.progress import BarColumn, Progress, ProgressColumn, Task, TaskID
from rich.text import Text

from exporter.inquiry.inquiry import Finding
from exporter.inquiry.report import NOT_FOUND
from exporter.tasks.identity import TaskRef
from exporter.tasks.observation import Status
from exporter.terminal.text import harmless
from exporter.terminal.words import span

BARS = 10
"""So many tasks have a bar at once; the others are counted."""

Look = Callable[[], Mapping[TaskRef, Finding]]
"""What is known by now."""


class Lines:
    """A line for each change of a task's state, and of why nothing is known of it."""

    def __init__(self, tell: Callable[[str], None]) -> None:
        self._tell = tell
        self._said: dict[TaskRef, str] = {}

    def take(self, found: Finding) -> None:
        """Tell what is new in it."""
        ref, said = found.state.ref, in_words(found)
        if self._said.get(ref) != said:
            self._said[ref] = said
            self._tell(harmless(f"{ref}: {said}"))


class Bars:
    """The bars, drawn anew by ``draw``; ``wall`` tells Unix seconds."""

    def __init__(self, progress: Progress, look: Look, wall: Callable[[], float]) -> None:
        self._progress = progress
        self._look = look
        self._wall = wall
        self._bars: dict[TaskRef, TaskID] = {}
        self._rest = progress.add_task("", total=None, visible=False, said="")

    def draw(self) -> None:
        """Show what is known by now."""
        found, now = self._look(), self._wall()
        still_open = [ref for ref, each in found.items() if not each.state.is_terminal]
        for ref in [ref for ref in self._bars if ref not in still_open[:BARS]]:
            self._progress.remove_task(self._bars.pop(ref))
        for ref in still_open[:BARS]:
            self._draw(ref, found[ref], now)
        more = len(still_open) - BARS
        said = f"{len(found) - len(still_open)} of {len(found)} have ended" + (
            f", {more} more wait" if more > 0 else ""
        )
        self._progress.update(self._rest, visible=len(found) > 1, description="", said=said)
        self._progress.refresh()

    def _draw(self, ref: TaskRef, found: Finding, now: float) -> None:
        state, bar = found.state, self._bars.get(ref)
        if bar is None:
            bar = self._bars[ref] = self._progress.add_task(harmless(str(ref)), total=None, said="")
        age, eta = now - state.submitted_at, state.eta_seconds
        said = f"{in_words(found)}, {span(age)}" + (f" of {span(eta)}" if eta else "")
        total = eta if eta and age < eta else None  # past its ETA the bar only pulses: nobody knows how long yet
        self._progress.update(bar, total=total, completed=max(0.0, age), said=harmless(said))


@contextmanager
def bars(console: Console, look: Look, wall: Callable[[], float]) -> Iterator[Bars]:
    """Bars on a terminal, until the block is left: then nothing of them remains."""
    columns = _Plain(lambda task: task.description), BarColumn(bar_width=20), _Plain(lambda task: task.fields["said"])
    with Progress(*columns, console=console, auto_refresh=False, transient=True, redirect_stdout=False) as progress:
        yield Bars(progress, look, wall)


def in_words(found: Finding) -> str:
    """How it stands with a task."""
    if found.error is not None:
        return f"{found.state.status}, no answer ({found.error})"
    if found.has_answer and found.observation is None and found.state.status is not Status.NOT_FOUND:
        return "not known yet"
    return NOT_FOUND if found.state.status is Status.NOT_FOUND else str(found.state.status)


class _Plain(ProgressColumn):
    """A text as it is: names are no markup."""

    def __init__(self, text_of: Callable[[Task], str]) -> None:
        super().__init__()
        self._text_of = text_of

    def render(self, task: Task) -> Text:
        return Text(self._text_of(task), no_wrap=True, overflow="ellipsis")
