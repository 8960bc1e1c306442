"""What the API needs of a running exporter."""

from collections.abc import Callable
from dataclasses import dataclass

from exporter.clock import Clock
from exporter.registration.registrar import Registrar
from exporter.registration.registry import Registry
from exporter.service.accounts import Accounts
from exporter.service.hints import Hints
from exporter.settings.model import Settings
from exporter.tasks.tracker import Tracker


@dataclass(frozen=True, slots=True)
class Desk:
    """The parts that answer the API's questions and take its orders; ``settings`` are those in force."""

    settings: Callable[[], Settings]
    tracker: Tracker
    registry: Registry
    registrar: Registrar
    hints: Hints
    accounts: Accounts
    clock: Clock
