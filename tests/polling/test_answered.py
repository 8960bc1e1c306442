from hypothesis import given
from hypothesis import strategies as st

from exporter.polling.answered import KEPT, Answered
from exporter.polling.schedule import Schedule, Slot


def scheduled(*numbers: int) -> Schedule:
    schedule = Schedule()
    for number in numbers:
        schedule.put(number, Slot(1.0, 1.0))
    return schedule


def test_the_first_is_the_one_that_may_be_asked_about_the_soonest_and_is_not_being_asked() -> None:
    answered = Answered()
    for number, ready_at in ((1, 30.0), (2, 10.0), (3, 20.0)):
        answered.note(number, ready_at=ready_at)

    assert answered.first(among=scheduled(1, 2, 3)) == (2, 10.0)
    assert answered.first(among=scheduled(1, 3)) == (3, 20.0)
    assert answered.first(among=scheduled()) is None


def test_whoever_is_asked_again_or_fails_is_first_no_more() -> None:
    answered = Answered()
    answered.note(1, ready_at=10.0)
    answered.note(2, ready_at=20.0)

    answered.note(1, ready_at=30.0)
    assert answered.first(among=scheduled(1, 2)) == (2, 20.0)
    answered.discard(2)
    assert (answered.first(among=scheduled(1, 2)), len(answered)) == ((1, 30.0), 1)


@given(st.lists(st.tuples(st.integers(0, 3 * KEPT), st.sampled_from([2.0, 300.0])), max_size=400))
def test_of_many_some_are_kept_and_none_of_them_could_be_asked_about_sooner(polls: list[tuple[int, float]]) -> None:
    """Each poll is a second later than the one before; a task may be asked about again after its group's least wait."""
    answered, all_of_them = Answered(), dict[int, float]()
    for at, (number, wait) in enumerate(polls):
        all_of_them[number] = at + wait
        answered.note(number, ready_at=at + wait)
    assert len(answered) == min(KEPT, len(all_of_them))
    if polls:
        found = answered.first(among=scheduled(*all_of_them))
        assert found is not None
        number, ready_at = found
        assert all_of_them[number] == ready_at


def test_tasks_that_may_be_asked_about_seldom_make_way_for_others() -> None:
    answered = Answered()
    for number in range(KEPT):
        answered.note(number, ready_at=300.0)
    answered.note(KEPT, ready_at=2.0)

    assert (answered.first(among=scheduled(*range(KEPT + 1))), len(answered)) == ((KEPT, 2.0), KEPT)
