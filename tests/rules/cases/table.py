"""Every case there is."""

from tests.rules.cases import api, exporter, money, outcomes, progress, replicas, sidecar

ENDINGS = (*outcomes.CASES, *progress.CASES, *money.CASES)
CASES = (*ENDINGS, *api.CASES, *sidecar.CASES, *exporter.CASES, *replicas.CASES)
