"""Every case there is."""

from tests.rules.cases import api, exporter, money, outcomes, progress, sidecar

CASES = (*outcomes.CASES, *progress.CASES, *money.CASES, *api.CASES, *sidecar.CASES, *exporter.CASES)
