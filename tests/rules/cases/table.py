"""Every case there is."""

from tests.rules.cases import api, exporter, money, outcomes, progress, replicas

CASES = (*outcomes.CASES, *progress.CASES, *money.CASES, *api.CASES, *exporter.CASES, *replicas.CASES)
