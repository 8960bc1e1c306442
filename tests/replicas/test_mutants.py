"""Wrong protocols: the right one with one guard dropped. The same state machine has to find out each of them."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import HealthCheck, Phase, settings
from hypothesis.stateful import run_state_machine_as_test

from exporter.replicas.balance import Balance
from exporter.replicas.holding import Holding
from exporter.replicas.lease import PATIENCE, Fence, Lease, patience_with
from exporter.replicas.replica import Replica
from exporter.replicas.sightings import Sightings
from exporter.replicas.steps import Answer, Renewed, Step
from tests.replicas.model_store import Database, ModelStore, Passage
from tests.replicas.protocol import Protocol

# ---- what a process believes -----------------------------------------------------------------------------------------


def takes_at_once(self: Balance, lease: Lease, leases: object, now: float) -> bool:
    return lease.owner != self._owner


def waits_one_lease(self: Balance, lease: Lease, leases: Sightings[str, Lease], now: float) -> bool:
    """As if all clocks went at one rate."""
    waited, patience = leases.unchanged_for(lease.account, now=now), patience_with(lease.owner, lease=self._lease)
    return lease.owner is None or (lease.owner != self._owner and waited >= patience / PATIENCE)


def waits_its_own_lease(self: Balance, lease: Lease, leases: Sightings[str, Lease], now: float) -> bool:
    waited = leases.unchanged_for(lease.account, now=now)
    return lease.owner is None or (lease.owner != self._owner and waited >= PATIENCE * self._lease)


def unchanged_since_first_seen(self: Sightings[str, Any], key: str, value: object, now: float) -> float:
    return self._seen[key][1] if key in self._seen else now


def takes_everything(self: Balance, leases: Sightings[str, Lease], *, owned: int, now: float) -> list[Lease]:
    return [lease for lease in leases.values().values() if self._is_takable(lease, leases, now)]


def never_gives(self: Balance, leases: object, *, owned: object, now: float) -> None:
    return None


def gives_again_and_again(self: Balance, leases: object, *, owned: list[str], now: float) -> str | None:
    """Whatever its share is."""
    return min(owned, default=None)


ANSWERED, RENEWED, LOSE = Replica.answered, Replica._renewed, Replica._lose


def counts_from_the_answer(self: Replica, step: Step, answer: Answer, *, now: float) -> None:
    self._asked_at = now
    ANSWERED(self, step, answer, now=now)


def believes_old_answers(self: Replica, step: Step, answer: Answer, *, now: float) -> None:
    self._asked, self._asked_at = step, now
    ANSWERED(self, step, answer, now=now)


def believes_that_all_was_renewed(self: Replica, answer: Renewed) -> None:
    RENEWED(self, replace(answer, accounts=frozenset(account for account, _ in answer.step.held)))


def releases_before_it_ends(self: Replica, holding: Holding) -> None:
    """It lets go of an account as soon as it wants to leave it."""
    holding.is_leaving = True
    for listener in self._listeners:
        listener.leaving(holding.account)
    self._drop(holding)


def goes_on_after_release(self: Replica, holding: Holding) -> None:
    LOSE(self, holding)
    if holding.is_leaving:
        self._held[holding.account] = replace(holding, is_leaving=False)


def sends_without_time(self: Holding, timeout: float, *, now: float) -> bool:
    return not self.is_leaving and now < self.deadline


def sends_for_ever(self: Holding, timeout: float, *, now: float) -> bool:
    return not self.is_leaving


def shows_at_once(self: Holding, scrape_timeout: float, *, now: float) -> bool:
    return self.holds(now=now)


def shows_by_its_own_clock(self: Holding, scrape_timeout: float, *, now: float) -> bool:
    return self.holds(now=now) and now >= self.acquired_at + scrape_timeout


def shows_for_ever(self: Holding, scrape_timeout: float, *, now: float) -> bool:
    return now >= self.acquired_at + PATIENCE * scrape_timeout


def whoever_holds_it(self: ModelStore, account: str, owner: str, epoch: int) -> bool:
    return account in self.database.rows


def open_to_everybody(self: Database, fence: Fence) -> Passage:
    return Passage.OPEN


def open_to_its_owner(self: Database, fence: Fence) -> Passage:
    """Whatever the number."""
    row = self.rows[fence.account]
    return Passage.OPEN if (row.owner, row.epoch) == (fence.owner, fence.epoch) else Passage.LOST


def open_to_the_next_number(self: Database, fence: Fence) -> Passage:
    """Whoever brings it."""
    return Passage.OPEN if self.rows[fence.account].batch == fence.batch else Passage.LOST


MUTANTS: tuple[tuple[type, str, Callable[..., object]], ...] = (
    (Balance, "_is_takable", takes_at_once),
    (Balance, "_is_takable", waits_one_lease),
    (Balance, "_is_takable", waits_its_own_lease),
    (Sightings, "_since", unchanged_since_first_seen),
    (Balance, "to_take", takes_everything),
    (Balance, "to_give", never_gives),
    (Balance, "to_give", gives_again_and_again),
    (Replica, "answered", counts_from_the_answer),
    (Replica, "answered", believes_old_answers),
    (Replica, "_renewed", believes_that_all_was_renewed),
    (Replica, "_leave", releases_before_it_ends),
    (Replica, "_lose", goes_on_after_release),
    (Holding, "may_send", sends_without_time),
    (Holding, "may_send", sends_for_ever),
    (Holding, "may_show", shows_at_once),
    (Holding, "may_show", shows_by_its_own_clock),
    (Holding, "may_show", shows_for_ever),
    (ModelStore, "is_held", whoever_holds_it),
    (Database, "passage", open_to_everybody),
    (Database, "passage", open_to_its_owner),
    (Database, "passage", open_to_the_next_number),
)


@pytest.mark.long
@pytest.mark.parametrize(
    ("part", "guard", "mutant"), MUTANTS, ids=[f"{part.__name__} {mutant.__name__}" for part, _, mutant in MUTANTS]
)
def test_it_is_found_out(
    part: type, guard: str, mutant: Callable[..., object], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(part, guard, mutant)

    with pytest.raises(AssertionError):
        run_state_machine_as_test(
            Protocol,
            settings=settings(
                max_examples=200,
                stateful_step_count=15,
                derandomize=True,
                database=None,
                deadline=None,
                phases=[Phase.generate],
                suppress_health_check=list(HealthCheck),
                report_multiple_bugs=False,
            ),
        )
