"""``check-config FILE``: every mistake of a configuration, and how far it can reach."""

import math
import os
from pathlib import Path

import click
from rich import box
from rich.console import Console
from rich.table import Table

from exporter.cli.inputs import load_input, name_of
from exporter.logs import Secrets
from exporter.service.estimate import Estimate, estimate
from exporter.settings.checks import warnings
from exporter.settings.confidential import sources_of
from exporter.settings.fields import UNLIMITED
from exporter.settings.model import Settings


@click.command("check-config")
@click.argument("file", type=click.Path(path_type=Path))
@click.option("--estimate", "wants_estimate", is_flag=True, help="Also print the series and requests it can reach.")
def command(*, file: Path, wants_estimate: bool) -> None:
    """Check a configuration FILE, or standard input for "-", and name every mistake in it, each with its line.

    A secret that is not there is a warning, not a mistake. Exit codes: 0 no mistake, 1 mistakes.
    """
    settings, name = load_input(file), name_of(file)
    click.echo(f"{name}: {_summary(settings)}: ok")
    secrets = Secrets()
    sources_of(settings, secrets, os.environ)
    for warning in warnings(settings, os.environ):
        click.echo(f"{name}: warning: {secrets.mask(warning)}", err=True)
    if wants_estimate:
        _print(estimate(settings))


def _summary(settings: Settings) -> str:
    targets = [target for group in settings.task_groups for target in group.static_configs]
    tasks = sum(len(target.task_ids) + len(target.out_task_ids) for target in targets)
    counts = (len(settings.accounts), "account"), (len(settings.task_groups), "task group"), (tasks, "task")
    return ", ".join(f"{count} {noun}{'' if count == 1 else 's'}" for count, noun in counts)


def _print(found: Estimate) -> None:
    console = Console(highlight=False, soft_wrap=True)
    console.print(_requests(found))
    console.print("While every task is open; wanted: at default_eta, range: at max_interval .. at min_interval,")
    console.print("when slow: while each request takes its whole timeout.")
    for account in found.accounts:
        if not account.fits:
            console.print(
                f"Account {account.name} wants more than its limit: each task is polled every "
                f"{account.interval:.1f} s at best, in the mean. Groups share the limit, half of it equally and half "
                "by what they ask for. Raise max_requests_per_second or follow fewer tasks.",
                markup=False,
            )
        if account.adaptive:
            console.print(
                f"Account {account.name}: {account.adaptive:.2f} of the {account.wanted:.2f} wanted are placed by the "
                "adaptive strategy: as many in the mean, more while tasks are about to end and fewer before.",
                markup=False,
            )
    console.print(_series(found))
    if found.open_groups:
        names = ", ".join(found.open_groups)
        console.print(
            f"Tasks found elsewhere by {names}: series are counted up to the limits, requests are not.", markup=False
        )


def _requests(found: Estimate) -> Table:
    table = Table(title="Requests per second", box=box.SIMPLE, title_justify="left")
    table.add_column("account")
    for heading in ("tasks", "wanted", "range", "limit", "when slow"):
        table.add_column(heading, justify="right")
    for account in found.accounts:
        reach = f"{account.least:.2f} .. {account.most:.2f}"
        limit = UNLIMITED if account.allowed == math.inf else f"{account.allowed:.2f}"
        numbers = (f"{account.wanted:.2f}", reach, limit, f"{account.when_slow:.2f}")
        table.add_row(account.name, str(account.tasks), *numbers)
    return table


def _series(found: Estimate) -> Table:
    table = Table(title="Series, at most", box=box.SIMPLE, title_justify="left")
    table.add_column("of")
    table.add_column("series", justify="right")
    table.add_row(f"aggregates ({found.label_sets} label sets)", str(found.aggregate_series))
    table.add_row("failures by error code", str(found.error_code_series))
    table.add_row("single tasks", str(found.task_series))
    table.add_row("accounts and the exporter", str(found.exporter_series))
    table.add_row("all", str(found.series))
    return table
