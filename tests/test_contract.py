"""What one package promises of another, held to its word."""

import click
import pytest

from exporter.cli.main import COMMANDS
from exporter.metrics.catalogue import FAMILIES
from exporter.settings.fields import RESERVED_LABELS


def test_no_user_label_can_collide_with_a_label_of_the_catalogue() -> None:
    beside_user_labels = [family for family in FAMILIES if "own" in family.label_names(("own",))]

    assert {name for family in beside_user_labels for name in family.label_names()} | {"le"} <= RESERVED_LABELS


@pytest.mark.parametrize("name", sorted(COMMANDS))
def test_every_command_is_there(name: str) -> None:
    assert isinstance(COMMANDS[name].load(), click.Command)
