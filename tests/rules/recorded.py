"""What may be asked of Prometheus where the recording rules are loaded."""

from monitoring import recording
from monitoring.rule import Record
from tests.support.vocabulary import Vocabulary

RECORDS = [rule for group in recording.groups() for rule in group.rules if isinstance(rule, Record)]

LEVELS = {
    "account": {"job", "account"},
    "account_reason": {"job", "account", "reason"},
    "group": {"job", "account", "group", "team"},
    "group_code": {"job", "account", "group", "team", "error_code"},
}

USER_LABELS = {"account:bytespike_tasks_credits_used:rate1h", "account:bytespike_tasks_credits_used:rate1d"}
"""Of the level ``account``, what is made from tasks keeps the user labels."""


def vocabulary() -> Vocabulary:
    """What the exporter exports, and what is recorded, with exactly the labels that its level promises."""
    known = Vocabulary.of_exporter(user_labels=["team"])
    for record in RECORDS:
        known = known.with_series(record.name, labels_of(record))
    return known


def labels_of(record: Record) -> set[str]:
    level = record.name.partition(":")[0]
    return LEVELS[level] | ({"team"} if record.name in USER_LABELS else set())
