"""The protocol against everything that may go wrong: ``protocol`` has the faults, ``world`` what is checked."""

import pytest
from hypothesis import HealthCheck, settings
from hypothesis.stateful import run_state_machine_as_test

from tests.replicas.protocol import Protocol


def play(examples: int, *, steps: int) -> None:
    run_state_machine_as_test(
        Protocol,
        settings=settings(
            max_examples=examples,
            stateful_step_count=steps,
            deadline=None,
            database=None,
            suppress_health_check=list(HealthCheck),
        ),
    )


@pytest.mark.slow
def test_never_two_owners_nothing_counted_twice_and_everything_owned_in_the_end() -> None:
    play(20, steps=15)


@pytest.mark.long
def test_the_same_for_long() -> None:
    play(400, steps=40)
