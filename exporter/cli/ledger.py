"""``ledger``: look into the ledger, copy it elsewhere, and take out of it what is no longer wanted."""

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from pathlib import Path

import click
from rich import box
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from exporter.accounting.series import SHOWN, Series
from exporter.cli import options
from exporter.ledger.checking import Held, check
from exporter.ledger.copying import copy
from exporter.ledger.opening import ledger_at, totals_beside
from exporter.metrics.catalogue import BY_NAME
from exporter.metrics.families import tasks
from exporter.metrics.family import TASK_LABELS, Scope
from exporter.service.reload import configured_labels
from exporter.settings.fields import ledger_url
from exporter.settings.load import load
from exporter.settings.model import Settings
from exporter.tasks.item import TaskLabels

OUTCOMES = tasks.FINISHED.name


@dataclass(frozen=True, slots=True)
class LabelSet:
    """One set of task labels that has totals: in how many series, of how many outcomes, and whether it is configured.

    It is configured where the configuration itself names it; tasks from elsewhere may still carry another.
    """

    labels: TaskLabels
    series: int
    outcomes: int
    is_configured: bool

    def __str__(self) -> str:
        own = {"account": self.labels.account, "group": self.labels.group, "model": self.labels.model}
        named = " ".join(f'{name}="{value}"' for name, value in (*own.items(), *self.labels.user))
        return f"{named}: {self.series} series, {self.outcomes} outcomes"


class SumsMissing(click.ClickException):
    """The totals of a ledger hold less than its outcomes."""

    exit_code = 4


@click.group("ledger")
def command() -> None:
    """Look into the ledger, copy it elsewhere, and take out of it what is no longer wanted."""


@command.command("label-sets")
@options.config_file
def label_sets(*, config_file: Path) -> None:
    """List the sets of task labels that have totals. The exporter may be running."""
    settings = load(config_file)
    Console(highlight=False, soft_wrap=True).print(_table(_found(settings)))


@command.command("retire")
@options.config_file
@click.option("--group", required=True, help="The task group whose totals are retired.")
@click.option("--model", "model", metavar="PATTERN", help="Only those of models that match, such as 'test-*'.")
@click.option(
    "--label", "labels", multiple=True, metavar="NAME=PATTERN", help="Only those with such a label; repeatable."
)
@click.option("--configured", is_flag=True, help="Those that the configuration names, too: they begin again at 0.")
@click.option("--dry-run", is_flag=True, help="Say what would be deleted, and delete nothing.")
def retire(
    *, config_file: Path, group: str, model: str | None, labels: Sequence[str], configured: bool, dry_run: bool
) -> None:
    """Delete the totals of label sets that are no longer wanted. The exporter must be stopped.

    Their series leave /metrics, and their label values no longer count for the limits. A task that ends under such
    labels later begins them again, at 0; no task counts twice. Patterns are shell patterns (* ? [abc]), and '' matches
    what is not there. Make a copy of the ledger first: there is no way back.
    """
    settings = load(config_file)
    patterns = {**({"model": model} if model is not None else {}), **dict(map(_pattern, labels))}
    matching = [each for each in _found(settings) if _matches(each.labels, group, patterns)]
    unwanted = [each for each in matching if configured or not each.is_configured]
    if not dry_run and unwanted:
        _delete(settings.ledger.url, {each.labels for each in unwanted})
    for each in unwanted:
        click.echo(f"{'would retire' if dry_run else 'retired'} {each}")
    kept = len(matching) - len(unwanted)
    if kept:
        click.echo(f"kept {kept} that the configuration names; --configured retires them, too", err=True)
    if not matching:
        click.echo("nothing matches", err=True)


@command.command("check")
@options.config_file
def check_sums(*, config_file: Path) -> None:
    """Hold the totals against the outcomes that are still kept. The exporter may be running.

    Whatever is kept must have been counted; outcomes leave after their retention, and stay counted. Exit codes: 0 it is
    so, 3 the ledger cannot be read, 4 a sum is less than what it must hold (totals that were retired are).
    """
    held = check(load(config_file).ledger.url, finished=OUTCOMES, credits_used=tasks.CREDITS_USED.name)
    Console(highlight=False, soft_wrap=True).print(_sums(held))
    wrong = [each for each in held if not each.is_whole]
    for each in wrong:
        click.echo(f"account {each.account}, {each.status}: less is counted than is kept", err=True)
    if wrong:
        raise SumsMissing("the totals do not hold what the outcomes say")


@command.command("copy")
@click.argument("source", metavar="FROM", type=options.Parsed("URL", ledger_url))
@click.argument("target", metavar="TO", type=options.Parsed("URL", ledger_url))
@click.option("--anew", is_flag=True, help="Begin an unfinished copy again.")
def copy_whole(*, source: str, target: str, anew: bool) -> None:
    """Copy a ledger whole, from one URL to another, each as in ledger.url. The exporter must be stopped.

    TO must be empty. What was broken off goes on where it stopped, by the same command. In the end every row of both is
    compared; until then no exporter opens the copy. FROM stays as it is: two exporters must not go on from both.
    """
    done: dict[str, int] = {}
    for step in copy(source, target, anew=anew):
        done[step.table] = step.rows
    for table, rows in done.items():
        click.echo(f"{table}: {rows}")
    click.echo("every row was compared: the copy is whole; name it in ledger.url before the exporter starts again")


def _delete(url: str, unwanted: set[TaskLabels]) -> None:
    ledger = ledger_at(url, alone=True)
    ledger.open()
    try:
        ledger.retire(lambda series: _labels_of(series) in unwanted)
    finally:
        ledger.close()


def _found(settings: Settings) -> list[LabelSet]:
    configured = {_without_empty(labels) for labels in configured_labels(settings)}
    series: dict[TaskLabels, list[Series]] = {}
    totals = totals_beside(settings.ledger.url)
    for each in totals:
        labels = _labels_of(each)
        if labels is not None and each.part != SHOWN:
            series.setdefault(labels, []).append(each)
    return [
        LabelSet(
            labels=labels,
            series=len(series[labels]),
            outcomes=round(math.fsum(totals[each] for each in series[labels] if each.family == OUTCOMES)),
            is_configured=labels in configured,
        )
        for labels in sorted(series)
    ]


def _labels_of(series: Series) -> TaskLabels | None:
    """The task labels of a series; None where it speaks of something else."""
    family, labels = BY_NAME.get(series.family), dict(series.labels)
    if "group" not in labels or (family is not None and family.scope is not Scope.TASKS):
        return None
    others = {*TASK_LABELS, *(family.labels if family is not None else ())}
    user = tuple((name, value) for name, value in series.labels if name not in others)
    return _without_empty(TaskLabels(labels.get("account", ""), labels["group"], labels.get("model", ""), user))


def _without_empty(labels: TaskLabels) -> TaskLabels:
    """To Prometheus, an empty label is none."""
    user = tuple(sorted((name, value) for name, value in labels.user if value))
    return TaskLabels(labels.account, labels.group, labels.model, user)


def _matches(labels: TaskLabels, group: str, patterns: Mapping[str, str]) -> bool:
    values = {"model": labels.model, **dict(labels.user)}
    return labels.group == group and all(
        fnmatchcase(values.get(name, ""), pattern) for name, pattern in patterns.items()
    )


def _pattern(text: str) -> tuple[str, str]:
    name, separator, pattern = text.partition("=")
    if not name or not separator:
        raise click.BadParameter(f"{text!r}: expected NAME=PATTERN, such as team=test-*", param_hint="--label")
    return name, pattern


def _table(found: Iterable[LabelSet]) -> Table:
    table = Table(box=box.SIMPLE)
    for heading in ("account", "group", "model", "labels"):
        table.add_column(heading)
    table.add_column("series", justify="right")
    table.add_column("outcomes", justify="right")
    table.add_column("configured")
    for each in found:
        labels = each.labels
        user = " ".join(f"{name}={value}" for name, value in labels.user)
        texts = (labels.account, labels.group, labels.model, user, str(each.series), str(each.outcomes))
        table.add_row(*map(escape, texts), "yes" if each.is_configured else "no")
    return table


def _sums(held: Iterable[Held]) -> Table:
    table = Table(box=box.SIMPLE)
    for heading in ("account", "status"):
        table.add_column(heading)
    for heading in ("outcomes kept", "counted", "credits kept", "counted"):
        table.add_column(heading, justify="right")
    for each in held:
        numbers = (str(each.outcomes), str(each.counted), f"{each.credits:.2f}", f"{each.credits_counted:.2f}")
        table.add_row(escape(each.account), escape(each.status), *numbers)
    return table
