"""Replicas of one exporter do not share the accounts as they should.

Replicas of one set have their ``job`` in common, as everywhere in these rules; what else their targets have (instance,
pod, node) tells them apart. Exporters of one job may also share nothing, as sidecars of several pods do: each of these
owns every account that it knows, all the time.
"""

from monitoring.rule import Alert, Board, Severity

OWNED = "bytespike_exporter_account_owned"
CONFIG = "bytespike_exporter_config_info"


def alerts() -> tuple[Alert, ...]:
    """All of them."""
    # of replicas, some do not own what others do; exporters that share nothing own everything they know
    twice = f"""\
sum by (job, account) ({OWNED}) > 1
and on (job)
  min by (job) (min_over_time({OWNED}[6h])) == 0"""
    disagree = f"""\
count by (job) (count by (job, sha256) ({CONFIG})) > 1
and min by (job) ({OWNED}) == 0"""

    return (
        Alert(
            name="ByteSpikeAccountUnowned",
            severity=Severity.CRITICAL,
            expr=f"max by (job, account) ({OWNED}) == 0",
            wait="5m",
            board=Board.EXPORTER,
            summary="No replica asks about an account's tasks.",
            description="None of the replicas that are scraped owns account {{ $labels.account }}: nobody asks for it.",
        ),
        Alert(
            name="ByteSpikeAccountTwice",
            severity=Severity.WARNING,
            expr=twice,
            wait="5m",
            board=Board.EXPORTER,
            summary="Several replicas ask about the same account.",
            description=(
                "{{ $value }} replicas of job {{ $labels.job }} own account {{ $labels.account }}: each uses the "
                "whole of its limits, and what both follow is counted by both."
            ),
        ),
        Alert(
            name="ByteSpikeReplicasDisagree",
            severity=Severity.WARNING,
            expr=disagree,
            wait="15m",
            board=Board.EXPORTER,
            summary="The replicas have different configurations.",
            description=(
                "The replicas of job {{ $labels.job }} have {{ $value }} different configurations: what is followed, "
                "and how, depends on which of them owns an account."
            ),
        ),
    )
