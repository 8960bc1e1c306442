"""All rules as an object of the Prometheus Operator: ``python -m monitoring.kubernetes``."""

import sys

from monitoring import alerting, recording
from monitoring.document import dumped, tree

HEADER = "The rules as the Prometheus Operator takes them, printed by python -m monitoring.kubernetes (make docs)."


def manifest() -> str:
    """The PrometheusRule; what is recorded comes before what is alerted on."""
    return dumped(
        {
            "apiVersion": "monitoring.coreos.com/v1",
            "kind": "PrometheusRule",
            "metadata": {"name": "bytespike-exporter"},
            "spec": tree((*recording.groups(), *alerting.groups())),
        },
        header=HEADER,
    )


if __name__ == "__main__":
    sys.stdout.write(manifest())
