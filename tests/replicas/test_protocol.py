"""The protocol of leases against everything that may go wrong; and wrong protocols, which must be found out."""

from hypothesis import HealthCheck, settings
from hypothesis.stateful import run_state_machine_as_test

from tests.replicas.protocol import Protocol


def test_never_two_owners_nothing_counted_twice_and_everything_owned_in_the_end() -> None:
    run_state_machine_as_test(
        Protocol,
        settings=settings(
            max_examples=50,
            stateful_step_count=20,
            deadline=None,
            database=None,
            suppress_health_check=list(HealthCheck),
        ),
    )
