"""Threads give way to the event loop sooner while the exporter serves, and as before afterwards."""

import sys

from exporter.cli.turns import LONGEST, short_turns


def test_turns_are_short_for_as_long_as_that_is_asked_for() -> None:
    before = sys.getswitchinterval()
    with short_turns():
        assert sys.getswitchinterval() == LONGEST < before
    assert sys.getswitchinterval() == before
