"""What waits: bounded, each counted once, whatever becomes of it."""

import threading

from hypothesis import given
from hypothesis import strategies as st

from exporter.client.backlog import Backlog, Waiting
from exporter.client.counts import Counts


class Time:
    now = 1000.0

    def __call__(self) -> float:
        return self.now


def backlog(*names: str, most: int = 5, time: Time | None = None) -> Backlog:
    made = Backlog(most=most, monotonic=time or Time())
    for name in names:
        made.add(waiting(name))
    return made


def waiting(name: str, *, since: float = Time.now) -> Waiting:
    return Waiting(name, "sora-2", 1_780_000_000.0, since)


def names(backlog: Backlog) -> list[str]:
    return [task.task_id for task in backlog.first(100)]


def test_the_first_come_first() -> None:
    found = backlog("a", "b", "c")
    assert [task.task_id for task in found.first(2)] == ["a", "b"]
    assert found.counts == Counts(waiting=3)


def test_too_many_are_counted_and_not_kept() -> None:
    found = backlog(*"abcdefg", most=5)
    assert names(found) == list("abcde")
    assert found.counts == Counts(waiting=5, overflowed=2)
    assert found.counts.lost == 2


def test_what_is_registered_waits_no_longer() -> None:
    found = backlog("a", "b", "c")
    found.registered(found.first(2))
    assert names(found) == ["c"]
    assert found.counts == Counts(waiting=1, registered=2)


def test_those_without_fault_wait_on_in_their_order() -> None:
    found = backlog("a", "b", "c", "d")
    found.refused(found.first(3), {1})
    assert names(found) == ["a", "c", "d"]
    assert found.counts == Counts(waiting=3, refused=1)


def test_places_that_are_none_are_nobodys_fault() -> None:
    found = backlog("a")
    found.refused(found.first(1), {7, -1})
    assert found.counts == Counts(waiting=1)


def test_nothing_waits_for_ever() -> None:
    time = Time()
    found = backlog("a", time=time)
    time.now += 601
    found.add(waiting("b", since=time.now))
    found.expire(older_than=600)
    assert names(found) == ["b"]
    assert found.counts == Counts(waiting=1, expired=1)


def test_after_its_end_it_takes_no_more_and_says_so() -> None:
    found = backlog("a")
    found.close()
    found.add(waiting("b"))
    assert found.counts == Counts(waiting=1, expired=1)
    assert found.wait_for_tasks(30), "a is still to be told of"
    found.expire_all()
    assert not found.wait_for_tasks(30)
    assert found.counts == Counts(expired=2)


def test_what_was_given_up_meanwhile_is_not_counted_again() -> None:
    found = backlog("a", "b")
    under_way = found.first(2)
    found.expire_all()
    found.registered(under_way)
    found.refused(under_way, {0})
    assert found.counts == Counts(expired=2)


def test_where_none_comes_whoever_sends_looks_again() -> None:
    assert backlog().wait_for_tasks(0)


def test_whoever_waits_for_it_is_woken() -> None:
    found = backlog("a")
    thread = threading.Thread(target=lambda: found.registered(found.first(1)))
    thread.start()
    assert found.wait_until_empty(30)
    thread.join()
    found.close()
    found.pause(30)  # not a second of it: it is closed


@given(
    st.lists(
        st.one_of(
            st.just("add"), st.just("unread"), st.just("expire_all"), st.tuples(st.just("taken"), st.integers(1, 4))
        )
    ),
    st.integers(0, 40),
)
def test_each_task_is_counted_once(steps: list[str | tuple[str, int]], closes_after: int) -> None:
    found, told = backlog(most=3), 0
    for number, step in enumerate(steps):
        if number == closes_after:
            found.close()
        match step:
            case "add":
                found.add(waiting(str(number)))
                told += 1
            case "unread":
                found.add_unread()
                told += 1
            case "expire_all":
                found.expire_all()
            case (_, int(count)):
                tasks = found.first(count)
                (found.registered(tasks) if count % 2 else found.refused(tasks, {0}))
        counts = found.counts
        assert counts.registered + counts.waiting + counts.lost == told
        assert counts.waiting <= 3
