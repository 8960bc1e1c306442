"""What was measured, as it is committed: the page of alerts is printed from it, without promtool."""

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Final

from monitoring.reaction.measure import Reaction

FILE: Final = Path(__file__).with_name("figures.json")


@dataclass(frozen=True, slots=True)
class Figures:
    """The reactions by situation and alert, and the digest of the rules that they are of."""

    rules: str
    situations: Mapping[str, Mapping[str, Reaction]]


def load(file: Path = FILE) -> Figures:
    """The committed figures."""
    stored = json.loads(file.read_text(encoding="utf-8"))
    return Figures(
        stored["rules"],
        {
            name: {alert: Reaction(**reaction) for alert, reaction in reactions.items()}
            for name, reactions in stored["situations"].items()
        },
    )


def dump(figures: Figures, file: Path = FILE) -> None:
    """Put these in their place."""
    stored = {
        "rules": figures.rules,
        "situations": {
            name: {alert: asdict(reaction) for alert, reaction in reactions.items()}
            for name, reactions in figures.situations.items()
        },
    }
    file.write_text(json.dumps(stored, indent=1) + "\n", encoding="utf-8")
