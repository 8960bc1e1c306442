"""The table of alerts: ``python -m monitoring.page > docs/alerts.md``."""

import sys
from collections.abc import Iterator

from monitoring.alerting import alerts, groups
from monitoring.reaction import figures, page as reaction, situations
from monitoring.rule import Alert, Group

INTRODUCTION = """\
# Alerts

This page is printed by `python -m monitoring.page` from the rules in `monitoring/`; a test compares the two.

`critical` asks somebody to get up, `warning` to look in working hours, `info` to know. Every number that is compared
with stands in `monitoring/thresholds.py`; after a change, `make docs` prints the rules anew. `make check` holds them
against promtool, pint ([`.pint.hcl`](../.pint.hcl)) and the exporter's own list of metrics, and plays each scenario of
the simulator against the real Prometheus and Alertmanager, sped up.

Every alert ends by itself once its cause is gone, and Alertmanager says so. There is one exception: an alert that ends
while another one keeps it back (`inhibit_rules` in [`alertmanager.yml`](../config/alertmanager.yml)) is not told of as
resolved. Whoever was told of it before closes it together with the one that explained it.
"""

TITLES = {
    "bytespike-outcome-alerts": "Tasks fail, or are lost",
    "bytespike-progress-alerts": "Tasks take too long",
    "bytespike-credit-alerts": "Credits go too fast, or come to an end",
    "bytespike-api-alerts": "The API does not answer, or not as it should",
    "bytespike-exporter-alerts": "The exporter does not see, or does not keep, what happens",
}


def page() -> str:
    """The whole page, in Markdown."""
    sections = (line for group in groups() for line in _section(group))
    measured = reaction.section(figures.load(), tuple(situations.situations()), alerts())
    return "\n".join([INTRODUCTION, *sections, *measured])


def _section(group: Group) -> Iterator[str]:
    yield f"## {TITLES[group.name]}"
    yield ""
    yield "| alert | severity | after | meaning |"
    yield "|---|---|---|---|"
    for alert in group.rules:
        if isinstance(alert, Alert):
            yield f"| [{alert.name}](runbooks/{alert.name}.md) | {alert.severity} | {alert.wait} | {alert.summary} |"
    yield ""


if __name__ == "__main__":
    sys.stdout.write(page())
