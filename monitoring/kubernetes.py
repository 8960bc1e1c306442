"""All rules as an object of the Prometheus Operator: ``python -m monitoring.kubernetes``."""

import sys

from monitoring import alerting, recording, values
from monitoring.document import dumped, tree
from monitoring.thresholds import DEFAULTS, Thresholds

HEADER = "The rules as the Prometheus Operator takes them, printed by python -m monitoring.kubernetes (make docs)."


def manifest(thresholds: Thresholds = DEFAULTS) -> str:
    """The PrometheusRule; what is recorded comes before what is alerted on."""
    groups = (*recording.groups(), *alerting.groups(thresholds))
    return dumped(
        {
            "apiVersion": "monitoring.coreos.com/v1",
            "kind": "PrometheusRule",
            "metadata": {"name": "bytespike-exporter"},
            "spec": tree(groups, sites=thresholds.sites),
        },
        header=HEADER,
    )


if __name__ == "__main__":
    sys.stdout.write(manifest(values.asked(sys.argv[1:], program="monitoring.kubernetes")))
