from urllib.parse import unquote

import pytest
from hypothesis import given
from hypothesis import strategies as st
from ulid import ULID

from exporter.tasks.identity import TaskRef, leads_elsewhere, ulid_time

SUBMITTED = 1_780_000_000.0


def task_id(at: float) -> str:
    return f"task_{ULID.from_timestamp(at)}"


@pytest.mark.parametrize("seen_after", [0.0, 1.0, 3600.0, 24 * 3600.0 - 1, -59.0])
def test_a_ulid_close_to_first_sight_dates_the_submission(seen_after: float) -> None:
    assert ulid_time(task_id(SUBMITTED), first_seen_at=SUBMITTED + seen_after) == pytest.approx(SUBMITTED, abs=0.001)


@pytest.mark.parametrize("seen_after", [24 * 3600.0 + 1, 30 * 86400.0, -61.0])
def test_a_ulid_far_from_first_sight_is_not_believed(seen_after: float) -> None:
    assert ulid_time(task_id(SUBMITTED), first_seen_at=SUBMITTED + seen_after) is None


@pytest.mark.parametrize("name", ["task_01AbCdEf", "", "task_", "my-render-001", "task_8ZZZZZZZZZZZZZZZZZZZZZZZZZ"])
def test_an_id_without_a_ulid_tells_no_time(name: str) -> None:
    assert ulid_time(name, first_seen_at=SUBMITTED) is None


@given(
    st.text("0123456789ABCDEFGHJKMNPQRSTVWXYZabcdefghjkmnpqrstvwxyz", min_size=26, max_size=26)
    | st.text("078ZzIiLlOoUuK\u212a\u017f\u0660_-\n", min_size=25, max_size=27)
    | st.integers(0, 2**128 - 1).map(lambda number: str(ULID.from_int(number)))
)
def test_it_is_read_as_the_library_reads_it(text: str) -> None:
    try:
        at = ULID.from_str(text.rpartition("_")[2]).timestamp
    except ValueError:
        assert ulid_time(text, first_seen_at=0.0) is None
    else:
        assert ulid_time(text, first_seen_at=at) == at


def test_a_task_needs_a_name() -> None:
    with pytest.raises(ValueError, match="task_id or an out_task_id"):
        TaskRef("a")


def test_joining_takes_what_is_missing_and_keeps_what_is_known() -> None:
    assert TaskRef("a", None, "x").joined(TaskRef("a", "t", "y")) == TaskRef("a", "t", "x")


def test_a_reference_that_lacks_nothing_of_another_has_it_and_stays_itself() -> None:
    both, one, other = TaskRef("a", "t", "x"), TaskRef("a", "t"), TaskRef("a", None, "y")

    assert both.joined(one) is both
    assert both.has(one)
    assert not one.has(both)
    assert both.joined(other) is both
    assert not both.has(other)


def test_two_task_ids_are_two_tasks_even_under_one_out_task_id() -> None:
    assert not TaskRef("a", "t1", "x").may_be(TaskRef("a", "t2", "x"))
    assert TaskRef("a", "t1", "x").may_be(TaskRef("a", None, "x"))


def test_a_reference_reads_as_its_best_name() -> None:
    assert [str(TaskRef("a", "t", "x")), str(TaskRef("a", None, "x"))] == ["t", "out_task_id=x"]


DOTS = [".", "..", "%2e", "%2E%2e", ".%2e", "%252e%252e", "%25252E."]
AROUND = [
    "{}",
    "../{}",
    "{}/v1/other",
    "a/{}/b",
    "a\\{}\\b",
    "a%2f{}",
    "a%5C{}%2Fb",
    "a%252F{}",
    "/{}",
    "{}/",
    "{};x=1/b",
]


@pytest.mark.parametrize("around", AROUND)
@pytest.mark.parametrize("dots", DOTS)
def test_a_dot_segment_leads_elsewhere_however_it_is_written(dots: str, around: str) -> None:
    assert leads_elsewhere(around.format(dots))


@pytest.mark.parametrize(
    "name", ["task_1", "my.render", "...", "a..b", "..a", "a/b", "v1.2/x.", "100%", "a%20b", ".hidden", "x%2e", "%zz.."]
)
def test_other_dots_lead_nowhere(name: str) -> None:
    assert not leads_elsewhere(name)


@given(st.text(alphabet="./\\%25eE2fF;ab", max_size=12))
def test_what_is_let_through_stays_below_its_path(name: str) -> None:
    """As whoever is on the way may read it: decoded once, twice or thrice, with either slash, without parameters."""
    if leads_elsewhere(name):
        return
    for _ in range(3):
        segments = [segment.partition(";")[0] for segment in name.replace("\\", "/").split("/")]
        assert not {".", ".."} & set(segments)
        name = unquote(name)
