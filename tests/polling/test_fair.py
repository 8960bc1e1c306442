"""Who is polled: in due order while polls are in time, shared out by groups once they are late."""

import math
from collections import Counter

from hypothesis import given
from hypothesis import strategies as st

from exporter.polling.fair import AT_ONCE, IN_TIME, FairSchedule
from exporter.polling.schedule import Schedule, Slot

LATE = 1000.0


def by_hundreds(number: int) -> str:
    """Tasks 0 to 99 are one group, and so on."""
    return str(number // 100)


def schedule(slots: dict[int, Slot]) -> FairSchedule:
    found = FairSchedule(group_of=by_hundreds)
    for number, slot in slots.items():
        found.put(number, slot)
    return found


def popped(found: FairSchedule, count: int, *, now: float = LATE) -> list[int]:
    """Poll so many tasks; each is due again at once."""
    numbers = []
    for _ in range(count):
        taken = found.pop(now=now)
        assert taken
        found.put(taken[0], Slot(now, taken[1].interval))
        numbers.append(taken[0])
    return numbers


# ---- in time ---------------------------------------------------------------------------------------------------------

STEPS = st.lists(
    st.tuples(
        st.sampled_from(["put", "hurry", "discard", "pop"]),
        st.integers(0, 5).map(lambda at: 60 * at),
        st.floats(0, 100),
        st.sampled_from([0.5, 2.0, 30.0]),
    )
)


@given(STEPS)
def test_while_polls_are_in_time_it_is_a_plain_schedule(steps: list[tuple[str, int, float, float]]) -> None:
    fair, plain, now = FairSchedule(group_of=by_hundreds), Schedule(), 0.0
    for action, number, after, interval in steps:
        if action == "pop":
            now = max(now, min(plain.next_due(), now + after)) if math.isfinite(plain.next_due()) else now
            while plain.next_due() <= now:  # whatever is due is polled at once
                now = max(now, plain.next_due())
                if now - plain.next_due() > IN_TIME:
                    return
                assert fair.pop(now=now) == plain.pop(now=now)
        elif action == "discard":
            assert fair.discard(number) == plain.discard(number)
        else:
            slot = Slot(now if action == "hurry" else now + after, interval, is_hurried=action == "hurry")
            fair.put(number, slot)
            plain.put(number, slot)
        assert (len(fair), fair.next_due(), fair.due(now=now)) == (len(plain), plain.next_due(), plain.due(now=now))
        assert list(fair) == list(plain)


@given(STEPS)
def test_whatever_is_late_each_task_is_there_once(steps: list[tuple[str, int, float, float]]) -> None:
    fair, model, now = FairSchedule(group_of=by_hundreds), dict[int, Slot](), 0.0
    for action, number, after, interval in steps:
        now += after / 10
        if action == "pop":
            taken = fair.pop(now=now)
            assert (taken is None) == all(slot.due > now for slot in model.values())
            assert taken is None or model.pop(taken[0]) == taken[1]
        elif action == "discard":
            assert fair.discard(number) == model.pop(number, None)
        else:
            model[number] = Slot(now if action == "hurry" else now + after / 5, interval, action == "hurry")
            fair.put(number, model[number])
        assert set(fair) == set(model)
        assert len(fair) == len(model)
        assert all((fair.slot(one), one in fair) == (model.get(one), one in model) for one in range(0, 301, 60))
        assert fair.next_due() == min((slot.due for slot in model.values()), default=math.inf)
        assert fair.due(now=now) == sum(slot.due <= now for slot in model.values())
        assert fair.is_due(now=now) == any(slot.due <= now for slot in model.values())
        assert math.isclose(fair.rate, sum(1 / slot.interval for slot in model.values()), abs_tol=1e-9)


# ---- late: which group? ----------------------------------------------------------------------------------------------


def test_groups_that_ask_for_as_much_get_as_much() -> None:
    found = schedule({number: Slot(0.0, 5.0) for number in (*range(40), *range(100, 140))})
    polls = Counter(map(by_hundreds, popped(found, 200)))

    assert abs(polls["0"] - polls["1"]) <= 2


def test_half_is_shared_out_by_what_groups_ask_for_and_half_equally() -> None:
    found = schedule({number: Slot(0.0, 5.0) for number in (*range(90), *range(100, 110))})
    polls = Counter(map(by_hundreds, popped(found, 1000)))

    assert 0.65 <= polls["0"] / 1000 <= 0.75, "(0.9 + 0.5) / 2"


def test_what_a_group_does_not_use_goes_to_the_others() -> None:
    found = schedule({number: Slot(0.0, 5.0) for number in (*range(90), 100)})
    polls: Counter[str] = Counter()
    for now in range(1000, 1200):  # one poll a second, where 18 are asked for
        taken = found.pop(now=float(now))
        assert taken
        polls[by_hundreds(taken[0])] += 1
        found.put(taken[0], Slot(now + 5.0, 5.0))

    assert 30 <= polls["1"] <= 40, "as often as it asks to be"
    assert polls["0"] + polls["1"] == 200


def test_a_group_that_comes_and_goes_does_not_get_more_for_it() -> None:
    singles = [100 * group for group in range(1, 51)]
    found = schedule({number: Slot(0.0, 5.0) for number in (*range(100), *singles)})
    polls: Counter[str] = Counter()
    for step in range(4000):
        now = 1000.0 + step / 4
        taken = found.pop(now=now)
        assert taken
        polls[by_hundreds(taken[0])] += 1
        found.put(taken[0], Slot(now + 5.0, 5.0))

    assert polls["0"] / 4000 >= (100 / 150 + 1 / 51) / 2 * 0.8


# ---- late: which of its tasks? ---------------------------------------------------------------------------------------


def test_tasks_that_will_probably_end_soon_go_first() -> None:
    found = schedule({1: Slot(980.0, 60.0), 2: Slot(990.0, 2.0), 3: Slot(985.0, 30.0)})

    assert [found.pop(now=LATE) for _ in range(3)] == [
        (2, Slot(990.0, 2.0)),
        (3, Slot(985.0, 30.0)),
        (1, Slot(980.0, 60.0)),
    ]


def test_those_that_will_not_are_not_starved_by_them() -> None:
    found = schedule({**{number: Slot(0.0, 2.0) for number in range(20)}, 50: Slot(0.0, 200.0)})
    asked = []
    for now in range(10, 2010):  # one poll a second, where ten are asked for
        taken = found.pop(now=float(now))
        assert taken
        if taken[0] == 50:
            asked.append(now)
        found.put(taken[0], Slot(now + taken[1].interval, taken[1].interval))

    gaps = [later - earlier for earlier, later in zip([0, *asked], asked, strict=False)]
    assert max(gaps) <= 4 * 10 * 200 / 2, "its interval, stretched by as much, to a factor of four"
    assert asked


def test_one_that_was_brought_forward_goes_before_the_rest_of_its_group() -> None:
    found = schedule({number: Slot(990.0, 5.0) for number in range(20)})
    assert found.pop(now=LATE)
    found.put(50, Slot(LATE - 1.0, 30.0, is_hurried=True))

    assert found.pop(now=LATE) == (50, Slot(LATE - 1.0, 30.0, is_hurried=True))


def test_however_many_are_brought_forward_the_others_are_polled() -> None:
    found = schedule({number: Slot(0.0, 5.0) for number in range(20)})
    others = 0
    for now in range(1000, 1200):
        for number in range(50, 60):
            if number not in found:
                found.put(number, Slot(float(now), 5.0, is_hurried=True))
        taken = found.pop(now=now + 0.5)
        assert taken
        others += taken[0] < 50
        if taken[0] < 50:
            found.put(taken[0], Slot(now + 5.0, 5.0))

    assert others == 100, "one in two"


# ---- bounded work ----------------------------------------------------------------------------------------------------


def test_few_tasks_are_sorted_at_a_time_however_many_are_late() -> None:
    asked: list[int] = []

    def group_of(number: int) -> str:
        asked.append(number)
        return "g"

    found = FairSchedule(group_of=group_of)
    for number in range(10 * AT_ONCE):
        found.put(number, Slot(0.0, 5.0))

    assert found.pop(now=LATE)
    assert len(asked) == AT_ONCE


def test_once_all_is_in_time_again_nothing_is_remembered() -> None:
    found = schedule({number: Slot(0.0, 5.0) for number in (1, 2, 101)})
    while found.pop(now=LATE):
        pass

    assert (len(found), found.rate, found.next_due()) == (0, 0.0, math.inf)
    found.put(1, Slot(2000.0, 5.0))
    assert found.pop(now=2000.0) == (1, Slot(2000.0, 5.0))
