"""Whose durations are learnt, from what, and how much of it is kept."""

import pytest
from msgspec import structs

from exporter.ledger.ledger import Learnt
from exporter.polling import learning as module
from exporter.polling.curve import STRAIGHT, Curve
from exporter.polling.learning import Learning
from exporter.tasks.identity import TaskRef
from exporter.tasks.item import Item, TaskLabels
from exporter.tasks.observation import Observation, Outcome, Status
from exporter.tasks.state import begin, observe
from exporter.tasks.tracker import Change, ChangeKind
from exporter.tasks.view import TaskView

LABELS = TaskLabels("a", "g", "m", (("team", "video"),))
REF = TaskRef("a", "task_1")


def life(
    seconds: float = 35.0,
    *,
    labels: TaskLabels = LABELS,
    eta: float | None = 35.0,
    seen_open: bool = True,
    submitted_at: float | None = 0.0,
    end: Status = Status.COMPLETED,
) -> list[Change]:
    """What becomes of a task that is seen running at 2 s, and a second before its end unless nobody looked."""
    state = begin(Item(REF, labels, submitted_at), now=0.0)
    changes = []
    for at in (*((2.0, seconds - 1.0) if seen_open else ()), seconds):
        status = end if at == seconds else Status.RUNNING
        step = observe(state, Observation(status, estimated_seconds=eta), now=at)
        state = step.state
        task = TaskView(1, labels, state)
        changes.append(Change(ChangeKind.ANSWERED, task, queue_seconds=step.queue_seconds, outcome=step.outcome))
    return changes


def learnt(*changes: Change, times: int = 1, groups: tuple[str, ...] = ("g",)) -> Learning:
    learning = Learning()
    learning.configure(dict.fromkeys(groups, 30.0))
    for time in range(times):
        for change in changes:
            learning.take(later(change, 100.0 * time))
    return learning


def later(change: Change, seconds: float) -> Change:
    """The same, by so much later."""
    outcome = change.outcome
    return structs.replace(
        change, outcome=outcome and structs.replace(outcome, finished_at=outcome.finished_at + seconds)
    )


def steepest(curve: Curve) -> float:
    """The age (in ETAs) at which polls are densest, looking at every twentieth."""
    ages = [at / 20 for at in range(1, 80)]
    return max(ages, key=lambda age: curve.reading(age + 0.05) - curve.reading(age - 0.05))


def test_polls_go_where_tasks_end() -> None:
    assert steepest(learnt(*life(35.0), times=30).curve(LABELS)) == pytest.approx(1.0, abs=0.1)
    assert steepest(learnt(*life(70.0), times=30).curve(LABELS)) == pytest.approx(2.0, abs=0.15)


@pytest.mark.parametrize("eta", [5e-324, 1e-300, 1e-6])
def test_an_eta_beyond_sense_spoils_nothing_for_tasks_that_are_alike(eta: float) -> None:
    learning = learnt(*life(35.0), times=30)
    for change in life(35.0, eta=eta):
        learning.take(later(change, 3000.0))
    for time in range(30):
        for change in life(35.0):
            learning.take(later(change, 3100.0 + 100.0 * time))
    curve = learning.curve(LABELS)

    assert curve.age(curve.reading(1.0)) == pytest.approx(1.0)


def test_without_an_eta_the_groups_default_is_the_measure() -> None:
    assert steepest(learnt(*life(60.0, eta=None), times=30).curve(LABELS)) == pytest.approx(2.0, abs=0.15)


@pytest.mark.parametrize("end", [Status.COMPLETED, Status.FAILED, Status.CANCELLED])
def test_every_end_is_one_that_polls_wait_for(end: Status) -> None:
    assert learnt(*life(end=end)).curve(LABELS) is not STRAIGHT


def test_a_duration_that_is_not_known_is_not_learnt() -> None:
    untold = life(seen_open=False, submitted_at=None)
    assert untold[-1].outcome
    assert untold[-1].outcome.duration is None
    lost = structs.replace(untold[-1], outcome=Outcome(REF, Status.NOT_FOUND, finished_at=5.0))

    assert learnt(*untold, lost, times=50).curve(LABELS) is STRAIGHT


def test_a_group_that_is_polled_as_published_teaches_nothing() -> None:
    learning = learnt(*life(), groups=("other",))

    assert learning.curve(LABELS) is STRAIGHT
    assert learning.news() == []


def test_account_group_and_model_are_told_apart_and_user_labels_are_not() -> None:
    learning = learnt(*life(), times=20)

    assert learning.curve(structs.replace(LABELS, user=())) is learning.curve(LABELS)
    for other in (
        structs.replace(LABELS, account="b"),
        structs.replace(LABELS, group="h"),
        structs.replace(LABELS, model="n"),
    ):
        assert learning.curve(other) is STRAIGHT


def test_only_so_many_kinds_are_remembered(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "KINDS", 3)
    models = [structs.replace(LABELS, model=str(number)) for number in range(4)]
    learning = learnt(*(change for labels in (*models[:3], models[0], models[3]) for change in life(labels=labels)))

    assert [learning.curve(labels) is STRAIGHT for labels in models] == [False, True, False, False]
    assert [each.model for each in learning.news()] == ["0", "2", "3"]


def test_a_restart_knows_it() -> None:
    learning = learnt(*life(), times=20)
    news = learning.news()
    assert learning.news() == [], "it is kept once"

    again = Learning()
    assert again.load(news) == []
    assert again.curve(LABELS).shown == pytest.approx(learning.curve(LABELS).shown, rel=0.1)
    assert again.news() == []


def test_what_is_damaged_is_left_out() -> None:
    (good,) = learnt(*life(), times=20).news()

    again = Learning()
    faults = again.load([Learnt("a", "g", "x", "{"), good, Learnt("a", "g", "y", "null")])

    assert len(faults) == 2
    assert again.curve(LABELS) is not STRAIGHT


@pytest.mark.parametrize("by", [7200.0, -7200.0])
def test_a_step_of_the_clock_is_no_time_that_has_passed(by: float) -> None:
    """Long ones cannot have ended yet: what has ended until now is not how long tasks take."""
    [*_, end] = life(35.0)
    learning, plain = (learnt(end) for _ in range(2))
    for number in range(1, 12):
        plain.take(later(end, 1.0 * number))
    learning.clock_stepped(by)
    for number in range(1, 12):
        learning.take(later(end, by + 1.0 * number))
    assert learning.curve(LABELS).reading(0.5) == plain.curve(LABELS).reading(0.5)
    assert learning.news()[0].text == plain.news()[0].text
