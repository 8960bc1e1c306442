"""The table of alerts in README.md; ``scripts/readme.py`` puts it there."""

import re
from collections.abc import Iterator

from monitoring.alerting import groups
from monitoring.page import TITLES
from monitoring.rule import Alert, Group, Severity

START, END = "<!-- alerts: make docs -->\n", "<!-- /alerts -->\n"

PREFIX = "ByteSpike"


def filled(text: str) -> str:
    """The text with the table between its marks; raises ValueError where they are missing."""
    found = re.fullmatch(f"(.*{START}).*({END}.*)", text, re.DOTALL)
    if found is None:
        raise ValueError(f"README.md lacks {START!r} or {END!r}")
    return found[1] + "\n".join(_table()) + "\n" + found[2]


def _table() -> Iterator[str]:
    yield "| what is wrong | alerts; those in bold call somebody at once |"
    yield "|---|---|"
    for group in groups():
        yield f"| {TITLES[group.name]} | {', '.join(_links(group))} |"


def _links(group: Group) -> Iterator[str]:
    for alert in group.rules:
        if isinstance(alert, Alert):
            link = f"[{alert.name.removeprefix(PREFIX)}](docs/runbooks/{alert.name}.md)"
            yield f"**{link}**" if alert.severity is Severity.CRITICAL else link
