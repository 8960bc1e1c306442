"""The alerting rules: ``python -m monitoring.alerting > config/prometheus/rules/alerts.yml``."""

import sys

from monitoring.alerts import api, exporter, money, outcomes, progress
from monitoring.document import document
from monitoring.rule import Alert, Group

HEADER = "Alerting rules, printed by python -m monitoring.alerting (make docs)."


def groups() -> tuple[Group, ...]:
    """All of them, by what is wrong."""
    return (
        Group("bytespike-outcome-alerts", outcomes.ALERTS),
        Group("bytespike-progress-alerts", progress.ALERTS),
        Group("bytespike-credit-alerts", money.ALERTS),
        Group("bytespike-api-alerts", api.ALERTS),
        Group("bytespike-exporter-alerts", exporter.ALERTS),
    )


def alerts() -> tuple[Alert, ...]:
    """Every alert, in the order of the file."""
    return tuple(rule for group in groups() for rule in group.rules if isinstance(rule, Alert))


if __name__ == "__main__":
    sys.stdout.write(document(groups(), header=HEADER))
