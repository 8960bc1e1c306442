"""The alerting rules: ``python -m monitoring.alerting > config/prometheus/rules/alerts.yml``."""

import sys

from monitoring import values
from monitoring.alerts import api, exporter, money, outcomes, progress, replicas, sidecar
from monitoring.document import document
from monitoring.rule import Alert, Group
from monitoring.thresholds import DEFAULTS, Thresholds

HEADER = "Alerting rules, printed by python -m monitoring.alerting (make docs)."


def groups(thresholds: Thresholds = DEFAULTS) -> tuple[Group, ...]:
    """All of them, by what is wrong."""
    return (
        Group("bytespike-outcome-alerts", outcomes.alerts(thresholds)),
        Group("bytespike-progress-alerts", progress.alerts(thresholds)),
        Group("bytespike-credit-alerts", money.alerts(thresholds)),
        Group("bytespike-api-alerts", api.alerts(thresholds)),
        Group("bytespike-sidecar-alerts", sidecar.alerts(thresholds)),
        Group("bytespike-exporter-alerts", exporter.alerts(thresholds)),
        Group("bytespike-replica-alerts", replicas.alerts()),
    )


def alerts(thresholds: Thresholds = DEFAULTS) -> tuple[Alert, ...]:
    """Every alert, in the order of the file."""
    return tuple(rule for group in groups(thresholds) for rule in group.rules if isinstance(rule, Alert))


if __name__ == "__main__":
    chosen = values.asked(sys.argv[1:], program="monitoring.alerting")
    sys.stdout.write(document(groups(chosen), header=HEADER, sites=chosen.sites))
