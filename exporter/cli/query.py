"""``query``: tasks, asked for now, or until they have ended."""

import asyncio
import json
import signal
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from random import Random

import click
from rich.console import Console

from exporter import lookups
from exporter.cli.entry import STOP_SIGNALS, end_by
from exporter.cli.options import Parsed, config_file
from exporter.clock import SystemClock
from exporter.dispatcher.account import Account
from exporter.inquiry import report
from exporter.inquiry.inquiry import Finding, Inquiry, NoRequests, silent_log
from exporter.inquiry.outcome import outcome_of
from exporter.inquiry.progress import Lines, bars
from exporter.polling.cadence import PublishedCadence
from exporter.secrets import SecretSource
from exporter.settings.durations import parse as parse_duration
from exporter.settings.errors import ConfigError
from exporter.settings.load import load
from exporter.settings.model import AccountSettings, GlobalSettings, Settings
from exporter.tasks.identity import TaskRef

TASK_PREFIX = "task_"

DRAWN_SECONDS = 0.5
"""So often the bars are drawn anew."""


@click.command("query")
@click.argument("tasks", metavar="TASK...", nargs=-1, required=True)
@click.option("--out", "by_out_task_id", is_flag=True, help="Each TASK is an out_task_id even if it starts with task_.")
@click.option("--account", help="The account to ask with; needed where several are configured.")
@config_file
@click.option("--json", "as_json", is_flag=True, help="Print JSON: an object for each task, one behind the other.")
@click.option("--wait", "waits", is_flag=True, help="Ask on until each has ended, at the published cadence.")
@click.option(
    "--timeout", type=Parsed("duration", parse_duration), help="With --wait: wait no longer than this, such as 10m."
)
def command(
    *,
    tasks: Sequence[str],
    by_out_task_id: bool,
    account: str | None,
    config_file: Path,
    as_json: bool,
    waits: bool,
    timeout: float | None,
) -> None:
    """Ask for tasks, once, now, or with --wait until they have ended.

    TASK is a task_id; without the prefix task_ it is taken for an out_task_id. Several are asked for within the limits
    of their account.

    Exit codes: 0 each task was found (with --wait: completed), 1 the configuration is wrong or the key is missing, 2
    wrong usage, 4 the API does not know a task (or it belongs to another key), 5 a query failed; with --wait 6 a task
    failed, 7 one was cancelled, 8 one is still open when the time is over. Of several, the first of 5, 4, 6, 7, 8.
    """
    if timeout is not None and not waits:
        raise click.UsageError("--timeout needs --wait")
    settings = _load(config_file)
    chosen = _account(settings, account)
    refs = [_ref(chosen.name, task, by_out_task_id=by_out_task_id) for task in tasks]
    key = SecretSource(env=chosen.api_key_env, file=chosen.api_key_file)
    if key.fault is not None:
        raise click.ClickException(f"account {chosen.name}: {key.fault}")
    found = lookups.run(_found(chosen, settings.globals, refs, waits=waits, seconds=timeout))
    _show(found, as_json=as_json)
    raise SystemExit(outcome_of((finding for _, finding in found), waited=waits))


def _load(config_file: Path) -> Settings:
    try:
        return load(config_file)
    except ConfigError as error:
        raise click.ClickException(str(error)) from None


def _account(settings: Settings, name: str | None) -> AccountSettings:
    names = ", ".join(account.name for account in settings.accounts)
    if name is None and len(settings.accounts) == 1:
        return settings.accounts[0]
    if name is None:
        raise click.ClickException(f"several accounts are configured: choose one with --account ({names})")
    for account in settings.accounts:
        if account.name == name:
            return account
    raise click.ClickException(f"no account is named {name!r}: the configuration has {names}")


def _ref(account: str, task: str, *, by_out_task_id: bool) -> TaskRef:
    if not task.strip():
        raise click.BadParameter("an id cannot be empty", param_hint="TASK")
    if by_out_task_id or not task.startswith(TASK_PREFIX):
        return TaskRef(account, out_task_id=task)
    return TaskRef(account, task_id=task)


async def _found(
    settings: AccountSettings, globals_: GlobalSettings, refs: Sequence[TaskRef], *, waits: bool, seconds: float | None
) -> Sequence[tuple[TaskRef, Finding]]:
    clock = SystemClock()
    account = await Account.open(settings, clock=clock, requests=NoRequests(), logger=silent_log(), random=Random())
    try:
        lines = Lines(lambda line: click.echo(line, err=True))
        has_bars = waits and sys.stderr.isatty() and not Console(stderr=True).is_dumb_terminal
        told = lines.take if waits and not has_bars else lambda _: None
        inquiry = Inquiry(account, refs, clock=clock, told=told)
        if waits:
            await _waited(inquiry, globals_, seconds=seconds, has_bars=has_bars)
        else:
            await inquiry.once()
    finally:
        await account.aclose()
    return list(inquiry.findings.items())


async def _waited(inquiry: Inquiry, settings: GlobalSettings, *, seconds: float | None, has_bars: bool) -> None:
    clock, cadence = SystemClock(), PublishedCadence(settings.poll)
    with _interruptible(), suppress(TimeoutError):
        async with asyncio.timeout(seconds):
            asking = inquiry.until_ended(cadence, grace=settings.not_found_grace)
            if has_bars:
                await _drawn(asyncio.create_task(asking), inquiry, clock)
            else:
                await asking


async def _drawn(asking: "asyncio.Task[None]", inquiry: Inquiry, clock: SystemClock) -> None:
    try:
        with bars(Console(stderr=True, highlight=False), lambda: inquiry.findings, clock.wall) as shown:
            while not asking.done():
                shown.draw()
                await asyncio.wait({asking}, timeout=DRAWN_SECONDS)
    finally:
        asking.cancel()
        await asyncio.wait({asking})
    await asking


@contextmanager
def _interruptible() -> Iterator[None]:
    """Whoever interrupts it gets the terminal back first; then it ends by that signal, as any command does."""
    loop, waiting = asyncio.get_running_loop(), asyncio.current_task()
    asked: list[signal.Signals] = []

    def interrupt(number: signal.Signals) -> None:
        asked.append(number)
        if waiting:
            waiting.cancel()

    heeded = [number for number in STOP_SIGNALS if signal.getsignal(number) is not signal.SIG_IGN]
    for number in heeded:
        loop.add_signal_handler(number, interrupt, number)
    try:
        yield
    finally:
        for number in heeded:
            loop.remove_signal_handler(number)
        if asked:
            end_by(asked[0])


def _show(found: Sequence[tuple[TaskRef, Finding]], *, as_json: bool) -> None:
    if as_json:
        for ref, finding in found:
            click.echo(json.dumps(report.document(ref, finding), indent=2 if len(found) == 1 else None))
        return
    console, now = Console(highlight=False, soft_wrap=True), SystemClock().wall()
    [(ref, finding), *more] = found
    if more:
        Console(highlight=False).print(report.several(found, now=now))
    elif finding.error is not None:
        click.echo(f"query failed: {finding.error}", err=True)
    else:
        console.print(report.one(ref, finding, now=now))
