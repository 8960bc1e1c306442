import pytest
from hypothesis import given
from hypothesis import strategies as st
from ulid import ULID

from exporter.tasks.identity import TaskRef, ulid_time

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


def test_two_task_ids_are_two_tasks_even_under_one_out_task_id() -> None:
    assert not TaskRef("a", "t1", "x").may_be(TaskRef("a", "t2", "x"))
    assert TaskRef("a", "t1", "x").may_be(TaskRef("a", None, "x"))


def test_a_reference_reads_as_its_best_name() -> None:
    assert [str(TaskRef("a", "t", "x")), str(TaskRef("a", None, "x"))] == ["t", "out_task_id=x"]
