"""Replicas that share accounts, and exporters that have nothing to do with one another."""

from tests.rules.case import Case, Clears, Fires, Quiet
from tests.rules.series import Series, series, steady, together

Phases = tuple[tuple[int, float], ...]

ONE, OTHER = "exporter-0:9877", "exporter-1:9877"
A, B = "a" * 64, "b" * 64


def owned(
    instance: str, *phases: tuple[int, float], account: str = "default", job: str = "bytespike-exporter"
) -> Series:
    name = "bytespike_exporter_account_owned"
    return series(name, steady(*phases), account=account, instance=instance, job=job)


def configured(instance: str, sha256: str, values: str = "1+0x90", job: str = "bytespike-exporter") -> Series:
    return series("bytespike_exporter_config_info", values, sha256=sha256, instance=instance, job=job)


def both(one: Phases, other: Phases) -> Series:
    return together(owned(ONE, *one), owned(OTHER, *other))


SHARED = {"job": "bytespike-exporter", "account": "default"}

SHARING = both(((91, 1),), ((91, 0),))
"""One owns the account, the other does not."""

HANDED_OVER = both(((10, 1), (50, 0)), ((11, 0), (49, 1)))
"""There is a minute in which nobody has it."""

STRANGERS = together(owned(ONE, (60, 1)), owned(OTHER, (60, 1), job="another"))
"""Each has an account of this name, and is scraped by a job of its own."""

CASES = (
    Case(
        "ByteSpikeAccountUnowned",
        fires=Fires(
            at=15,
            series=both(((10, 1), (20, 0)), ((30, 0),)),
            labels=SHARED,
            description="None of the replicas that are scraped owns account default: nobody asks for it.",
        ),
        quiet=(
            Quiet("it is handed over", 60, HANDED_OVER),
            Quiet("an exporter alone", 60, owned(ONE, (60, 1))),
            Quiet("two that share nothing", 60, STRANGERS),
        ),
        clears=Clears(firing=29, over=30, series=both(((10, 1), (50, 0)), ((30, 0), (30, 1)))),
    ),
    Case(
        "ByteSpikeAccountTwice",
        fires=Fires(
            at=15,
            series=both(((60, 1),), ((10, 0), (50, 1))),
            labels=SHARED,
            description=(
                "2 replicas of job bytespike-exporter own account default: each uses the whole of its limits, and "
                "what both follow is counted by both."
            ),
        ),
        quiet=(
            Quiet("scraped just before and just after a hand-over", 60, both(((11, 1), (49, 0)), ((10, 0), (50, 1)))),
            Quiet("an exporter alone", 60, owned(ONE, (60, 1))),
            Quiet("two that share nothing", 60, STRANGERS),
            Quiet("sidecars of two pods, each with its own", 60, both(((60, 1),), ((60, 1),))),
            Quiet("each has another", 60, together(owned(ONE, (60, 1)), owned(OTHER, (60, 1), account="second"))),
        ),
        clears=Clears(firing=29, over=30, series=both(((60, 1),), ((10, 0), (20, 1), (30, 0)))),
    ),
    Case(
        "ByteSpikeReplicasDisagree",
        fires=Fires(
            at=25,
            series=together(
                SHARING,
                configured(ONE, A),
                configured(OTHER, A, "1+0x9 stale"),
                configured(OTHER, B, "_x10 1+0x80"),
            ),
            labels={"job": "bytespike-exporter"},
            description=(
                "The replicas of job bytespike-exporter have 2 different configurations: what is followed, and how, "
                "depends on which of them owns an account."
            ),
        ),
        quiet=(
            Quiet("they agree", 90, together(SHARING, configured(ONE, A), configured(OTHER, A))),
            Quiet(
                "one reloads ten minutes after the other",
                90,
                together(
                    SHARING,
                    configured(ONE, A, "1+0x9 stale"),
                    configured(ONE, B, "_x10 1+0x80"),
                    configured(OTHER, A, "1+0x19 stale"),
                    configured(OTHER, B, "_x20 1+0x70"),
                ),
            ),
            Quiet("an exporter alone", 60, together(owned(ONE, (60, 1)), configured(ONE, A))),
            Quiet(
                "two that share nothing",
                60,
                together(STRANGERS, configured(ONE, A), configured(OTHER, B, job="another")),
            ),
            Quiet(
                "two that share nothing but the job",
                60,
                together(
                    owned(ONE, (60, 1)),
                    owned(OTHER, (60, 1), account="second"),
                    configured(ONE, A),
                    configured(OTHER, B),
                ),
            ),
        ),
        clears=Clears(
            firing=40,
            over=41,
            series=together(
                SHARING,
                configured(ONE, A),
                configured(OTHER, B, "1+0x40 stale"),
                configured(OTHER, A, "_x41 1+0x40"),
            ),
        ),
    ),
)
