"""A page is the same whatever was written before it, and of what is still so, nothing is written again."""

from collections.abc import Sequence
from dataclasses import replace
from unittest.mock import patch

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec import structs

from exporter.accounting.series import Exemplar, Series
from exporter.metrics.catalogue import BY_NAME, FAMILIES
from exporter.metrics.exposition import Rendered, Renderer, Wanted, render
from exporter.metrics.families import task as task_families
from exporter.metrics.family import declared
from exporter.metrics.packing import pack
from exporter.metrics.page import PageWriter
from exporter.metrics.snapshot import Snapshot
from exporter.metrics.task_lines import STANDING
from exporter.tasks.item import TaskLabels
from exporter.tasks.listing import PAGE, Entry, Listing
from exporter.tasks.observation import Status
from exporter.tasks.state import TaskState
from tests.metrics.snapshots import IMAGE, NOW, VIDEO, busy, empty_start, task
from tests.metrics.test_writing import by_library

OPENMETRICS = Wanted(accept="application/openmetrics-text;version=1.0.0")
FORMATS = [Wanted(), OPENMETRICS, Wanted(accept_encoding="gzip"), replace(OPENMETRICS, accept_encoding="gzip")]

LABELS = st.sampled_from(
    [
        VIDEO,
        IMAGE,
        structs.replace(VIDEO, user=(("team", 'ä"%s'),)),
        TaskLabels("default", "gone"),
        structs.replace(VIDEO, user=()),
    ]
)
IDS = st.sampled_from(["t", "%s", "100%", 'q"\\\n', "cut\ud800", "cut\ud801", "cut?", "雪"])
NUMBERS = st.sampled_from([0.0, 1.5, 35.0, 999_999.9, 1e6, 12_345_678.0, 1e21, 1e-7])


@st.composite
def states(draw: st.DrawFn, suffix: str = "") -> TaskState:
    """One task, whose name ends so."""
    maybe = st.none() | NUMBERS
    return task(
        draw(IDS) + suffix,
        draw(st.sampled_from(Status)),
        out_task_id=draw(st.none() | IDS),
        submitted_at=NOW - draw(NUMBERS | st.floats(allow_nan=True)),
        eta_seconds=draw(maybe),
        credits_estimated=draw(maybe),
        credits_used=draw(maybe | st.floats()),
        error_code=draw(st.sampled_from([None, "hot", "50%", "x" * 300])),
        duration=draw(maybe),
    )


def listing(entries: Sequence[Entry], at: float = NOW, *, base: Snapshot | None = None) -> Snapshot:
    base = base or busy()
    return replace(base, census=replace(base.census, listed=tuple(entries), at=at))


def sent(page: Rendered) -> tuple[object, ...]:
    """All that a scrape gets of a page, however its pieces are put together."""
    return page.content_type, page.content_encoding, page.length, page.announced, page.body


# ---- the same bytes --------------------------------------------------------------------------------------------------


@pytest.mark.slow
@settings(max_examples=40, deadline=None)
@given(st.lists(st.tuples(LABELS, states()), max_size=6))
def test_tasks_are_written_as_the_library_does(entries: list[Entry]) -> None:
    snapshot = listing(entries)
    assert render(snapshot).body == by_library(snapshot, as_openmetrics=False)


class Told:
    """One listing, as an exporter would keep it, told at random what its tasks are like."""

    def __init__(self) -> None:
        self.entries: dict[int, Entry] = {}
        self.listing = Listing(5, lambda number: self.entries[number])

    def step(self, number: int, entry: Entry | None) -> None:
        if entry is None:
            self.listing.hide(number)
            return
        self.entries[number] = entry
        self.listing.show(number, entry)


def step(number: int, suffix: str) -> st.SearchStrategy[tuple[int, Entry | None]]:
    return st.tuples(st.just(number), st.none() | st.tuples(LABELS, states(suffix)))


DISTINCT = st.lists(st.integers(0, 6).flatmap(lambda number: step(number, str(number))), max_size=4)
ALIKE = st.lists(st.integers(0, 6).flatmap(lambda number: step(number, "")), max_size=4)
"""Tasks that may have the same names, or such as are the same once they are printed."""


@pytest.mark.slow
@settings(max_examples=40, deadline=None)
@given(st.lists(st.tuples(DISTINCT, NUMBERS, st.sampled_from(FORMATS)), max_size=6))
def test_a_page_after_others_is_what_it_would_be_alone(
    story: list[tuple[list[tuple[int, Entry | None]], float, Wanted]],
) -> None:
    told, renderer = Told(), Renderer()
    for steps, passed, wanted in story:
        for number, entry in steps:
            told.step(number, entry)
        census = replace(busy().census, at=NOW + passed, listed=told.listing.view())
        snapshot = replace(busy(), census=census)
        assert sent(renderer.render(snapshot, wanted)) == sent(Renderer().render(snapshot, wanted))


@pytest.mark.slow
@settings(max_examples=40, deadline=None)
@given(st.lists(ALIKE, max_size=8))
def test_of_tasks_that_are_alike_exactly_one_is_shown(story: list[list[tuple[int, Entry | None]]]) -> None:
    told, renderer = Told(), Renderer()
    for steps in story:
        for number, entry in steps:
            told.step(number, entry)
        snapshot = replace(busy(), census=replace(busy().census, listed=told.listing.view()))
        pages = [
            each.render(snapshot, Wanted(names=("bytespike_task_status",))).body for each in (renderer, Renderer())
        ]
        shown, alone = ([line.rpartition(b" ")[0] for line in page.splitlines()] for page in pages)
        assert len(shown) == len(set(shown))
        assert sorted(shown) == sorted(alone)


def counted(story: int) -> Snapshot:
    """Snapshots that follow one another: counts, labels and exemplars come, change and go."""
    base = busy()
    hot = Series("bytespike_tasks_failed_total", (*_stored(VIDEO), ("error_code", "hot")))
    shown = structs.replace(hot, part="shown")
    late = Series("bytespike_tasks_duration_seconds", (*_stored(VIDEO), ("status", "completed")), "le:60")
    return [
        base,
        replace(base, totals={**base.totals, hot: 8.0}),
        replace(base, totals={**base.totals, hot: 9.0, shown: 1.0}, exemplars={hot: Exemplar(1.0, "task_Z", NOW)}),
        replace(base, totals={**base.totals, late: 40.0}, exemplars={late: Exemplar(50.0, "task_Y", NOW)}),
        replace(base, known=(VIDEO,)),
        replace(base, label_names=()),
        empty_start(),
        replace(base, accounts=()),
    ][story]


def _stored(labels: TaskLabels) -> tuple[tuple[str, str], ...]:
    return (("account", labels.account), ("group", labels.group), ("model", labels.model), *labels.user)


@pytest.mark.slow
@settings(max_examples=40, deadline=None)
@given(st.lists(st.tuples(st.integers(0, 7), st.sampled_from(FORMATS)), max_size=8))
def test_counts_after_others_are_what_they_would_be_alone(story: list[tuple[int, Wanted]]) -> None:
    renderer = Renderer()
    for which, wanted in story:
        assert sent(renderer.render(counted(which), wanted)) == sent(Renderer().render(counted(which), wanted))


def test_every_family_of_single_tasks_is_written() -> None:
    assert {*STANDING, task_families.ELAPSED} == {*declared(task_families)}


@pytest.mark.parametrize("family", FAMILIES, ids=lambda family: family.name)
def test_a_family_alone_is_its_part_of_the_page(family: object) -> None:
    name = next(name for name, each in BY_NAME.items() if each is family)
    part = render(busy(), names=[name]).body
    assert part
    assert part in render(busy()).body


# ---- what stays ------------------------------------------------------------------------------------------------------


def crowd(count: int) -> Told:
    told = Told()
    told.listing.resize(count)
    for number in range(count):
        told.step(number, (VIDEO, task(f"task_{number}", Status.RUNNING, eta_seconds=9.0)))
    return told


def test_only_what_has_changed_is_compressed_again() -> None:
    told, renderer, wanted = crowd(PAGE * 4), Renderer(), Wanted(accept_encoding="gzip")

    def compressed(at: float) -> int:
        census = replace(busy().census, at=at, listed=told.listing.view())
        with patch("exporter.metrics.packing.pack", wraps=pack) as packing:
            renderer.render(replace(busy(), census=census), wanted)
        return packing.call_count

    compressed(NOW)
    unchanged = compressed(NOW + 1)
    told.step(3, (VIDEO, task("task_3", Status.RUNNING, eta_seconds=8.0)))
    assert compressed(NOW + 2) == unchanged + 1
    told.step(3, (VIDEO, task("task_3", Status.COMPLETED, eta_seconds=8.0)))
    assert compressed(NOW + 3) == unchanged + 1
    told.step(3, (VIDEO, task("task_3", Status.COMPLETED, eta_seconds=8.0, observed_at=NOW + 3)))
    assert compressed(NOW + 4) == unchanged


def test_a_page_that_is_held_does_not_change_and_shares_what_is_ready() -> None:
    told, renderer = crowd(PAGE * 2), Renderer()

    def page(at: float) -> tuple[bytes, Sequence[object]]:
        census = replace(busy().census, at=at, listed=told.listing.view())
        rendered = renderer.render(replace(busy(), census=census), Wanted())
        return rendered.body, rendered.pieces

    body, pieces = page(NOW)
    told.step(0, (VIDEO, task("task_0", Status.FAILED)))
    _, later = page(NOW + 5)
    assert b"".join(piece.plain() for piece in pieces) == body  # type: ignore[attr-defined] # they are pieces
    shared = {id(piece) for piece in pieces} & {id(piece) for piece in later}
    assert len(shared) >= 2, "the second half has not changed, in status and estimate"


def test_one_that_was_hidden_behind_another_comes_when_that_has_gone() -> None:
    told, renderer = Told(), Renderer()

    def shown() -> list[bytes]:
        census = replace(busy().census, listed=told.listing.view())
        body = renderer.render(replace(busy(), census=census), Wanted(names=("bytespike_task_eta_seconds",))).body
        return [line.split()[-1] for line in body.splitlines() if not line.startswith(b"#")]

    told.step(0, (VIDEO, task("cut\ud800", Status.RUNNING, eta_seconds=1.0)))
    told.step(1, (VIDEO, task("cut\ud801", Status.RUNNING, eta_seconds=2.0)))
    assert shown() == [b"1.0"]
    told.step(1, (VIDEO, task("cut\ud801", Status.RUNNING, eta_seconds=3.0)))
    assert shown() == [b"1.0"]
    told.step(0, None)
    assert shown() == [b"3.0"]


def test_after_a_page_that_failed_half_way_the_next_one_is_whole() -> None:
    broken = structs.replace(task("task_1", Status.RUNNING), ref=None)  # that is what breaks it
    sound = listing([(VIDEO, task("task_0", Status.RUNNING)), (VIDEO, task("task_1", Status.RUNNING))])
    renderer = Renderer()
    renderer.render(listing([(VIDEO, task("task_0", Status.PENDING))]), Wanted())
    with pytest.raises(AttributeError):
        renderer.render(listing([(VIDEO, task("task_0", Status.RUNNING)), (VIDEO, broken)]), Wanted())
    assert sent(renderer.render(sound, Wanted())) == sent(Renderer().render(sound, Wanted()))


def test_whoever_else_wants_the_interpreter_has_it_between_chunks() -> None:
    breaths: list[None] = []
    writer = PageWriter(lambda: breaths.append(None))
    told = crowd(PAGE * 5)
    writer.write(replace(busy(), census=replace(busy().census, listed=told.listing.view())), openmetrics=False)
    assert len(breaths) >= 5
