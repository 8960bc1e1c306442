"""What goes wrong with which account, and which alerts must tell of it: one account for each scenario."""

from collections.abc import Mapping
from dataclasses import dataclass, field

HEALTHY = "healthy"

SUSPENDED = frozenset({"PollingLagging"})
"""What may fire besides where an account was held back: its first polls afterwards are late by seconds that are real,
whereas the window that they are judged in is sped up."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """One scenario of the simulator on an account of its own.

    ``alerts`` must arrive and clear, ``may`` can; the names lack their ``ByteSpike``. ``seconds`` is how long the
    scenario lasts (0: as long as the storm), ``early`` is whether it holds from the first moment on, for alerts that
    compare with nothing and take long. ``rate`` is how many tasks more than usual the account is given, a second: a
    share is told from chance only by many of them.
    """

    account: str
    scenario: str
    alerts: frozenset[str]
    params: Mapping[str, object] = field(default_factory=dict)
    may: frozenset[str] = frozenset()
    seconds: float = 0.0
    early: bool = False
    rate: float = 0.0


SUSPENSION_SECONDS = 28.0
"""A scenario that suspends an account ends before the probe that comes after 35 seconds (key) or 45 (money), so that
this finds it well; an alert that waits for 15 has come by then."""

CASES = (
    Case(
        account="failures",
        scenario="failure_wave",
        # more than a fifth, and less than what would call somebody: then these two are kept back, and their end, too
        params={"ratio": 0.28},
        alerts=frozenset({"FailureSpike", "ErrorCodeSpike"}),
        may=frozenset({"SuccessBudgetBurningFast", "SuccessBudgetBurningSlowly"}),
        rate=3,
    ),
    Case(
        account="burning",
        scenario="failure_wave",
        params={"ratio": 0.95},
        alerts=frozenset({"SuccessBudgetBurningFast"}),
        may=frozenset({"SuccessBudgetBurningSlowly", "FailureSpike", "ErrorCodeSpike"}),
        rate=0.5,
    ),
    # An outage is not among them: what counts is how soon it is told of, and test_outage.py sees to that.
    Case(
        account="garbage",
        scenario="garbage",
        params={"ratio": 0.65, "kind": "cut_json"},  # five in a row are taken for an outage
        alerts=frozenset({"UpstreamDown"}),
        rate=2,
    ),
    Case(
        account="revoked",
        scenario="key_revoked",
        alerts=frozenset({"APIKeyRejected"}),
        may=SUSPENDED,
        seconds=SUSPENSION_SECONDS,
    ),
    Case(
        account="unpaid",
        scenario="payment_required",
        alerts=frozenset({"AccountSuspended"}),
        may=SUSPENDED,
        seconds=SUSPENSION_SECONDS,
    ),
    Case(
        account="forbidden",
        scenario="forbidden",
        alerts=frozenset({"AccountSuspended"}),
        may=SUSPENDED,
        seconds=SUSPENSION_SECONDS,
    ),
    Case(
        account="overspent",
        scenario="rate_limit_storm",
        params={"code": "spend"},
        alerts=frozenset({"AccountSuspended"}),
        may=SUSPENDED,
        seconds=SUSPENSION_SECONDS,
    ),
    Case(
        account="crowded",
        scenario="rate_limit_storm",
        params={"code": "concurrency_limit", "ratio": 0.45},
        alerts=frozenset({"ConcurrencyExhausted"}),
        rate=5,  # a refusal holds it back for up to ten minutes sped up: of those that go then, not all may be refused
    ),
    Case(
        account="slow",
        scenario="slow_answers",
        params={"seconds": 3},
        alerts=frozenset({"UpstreamSlow"}),
        rate=1,
    ),
    Case(
        account="late",
        scenario="slow_wave",
        params={"factor": 10},
        alerts=frozenset({"TasksOverdue"}),
        may=frozenset({"ETAOff"}),
        seconds=75,
        early=True,
        rate=1.5,
    ),
    Case(
        account="wrong",
        scenario="slow_wave",
        params={"factor": 4},
        alerts=frozenset({"ETAOff"}),
        early=True,
        rate=0.5,
    ),
    Case(account="drifting", scenario="schema_change", alerts=frozenset({"SchemaDrift"})),
)

SHARED = ("crowded",)
"""What each exporter asks about. A refused request holds one back for seconds, however fast time runs; both are hardly
ever silent at once, so that there is something to take the share of."""

OUTAGE = "outage"
"""The scenario that is not among the cases."""

POISON = "poison"
"""Nor is this one: it is about single tasks, and what concerns an account stays as it is."""

ACCOUNTS = (HEALTHY, *(case.account for case in CASES))

OWN = ("ConfigReloadFailed", "LedgerFailing", "LedgerStalled", "ExporterDown")
"""The alerts of the other exporter's own troubles."""
