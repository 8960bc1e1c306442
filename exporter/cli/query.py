"""``query``: one task, asked for once, now."""

import json
import time
from collections.abc import Iterator
from pathlib import Path

import click
from rich import box
from rich.console import Console
from rich.table import Table
from rich.text import Text

from exporter import lookups
from exporter.cli.options import config_file
from exporter.dispatcher.answer import Answer, DispatcherError
from exporter.dispatcher.client import DispatcherClient
from exporter.secrets import SecretSource
from exporter.settings.errors import ConfigError
from exporter.settings.load import load
from exporter.settings.model import AccountSettings, Settings
from exporter.tasks.identity import TaskRef
from exporter.tasks.observation import Observation, Status

EXIT_NOT_FOUND = 4
EXIT_FAILED = 5

TASK_PREFIX = "task_"


@click.command("query")
@click.argument("task")
@click.option("--out", "by_out_task_id", is_flag=True, help="TASK is an out_task_id even if it starts with task_.")
@click.option("--account", help="The account to ask with; needed where several are configured.")
@config_file
@click.option("--json", "as_json", is_flag=True, help="Print JSON instead of a table.")
def command(*, task: str, by_out_task_id: bool, account: str | None, config_file: Path, as_json: bool) -> None:
    """Ask for one task, once, now.

    TASK is a task_id; without the prefix task_ it is taken for an out_task_id.

    Exit codes: 0 the task was found, 1 the configuration is wrong or the key is missing, 2 wrong usage, 4 the API does
    not know the task (or it belongs to another key), 5 the query failed.
    """
    settings = _account(_load(config_file), account)
    ref = _ref(settings.name, task, by_out_task_id=by_out_task_id)
    key = SecretSource(env=settings.api_key_env, file=settings.api_key_file)
    if key.fault is not None:
        raise click.ClickException(f"account {settings.name}: {key.fault}")
    raise SystemExit(_report(lookups.run(_ask(settings, key, ref)), ref, as_json=as_json))


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


async def _ask(settings: AccountSettings, key: SecretSource, ref: TaskRef) -> Answer | DispatcherError:
    client = DispatcherClient(
        settings.base_url, key=key.reveal, timeout=settings.timeout, max_in_flight=1, wall=time.time
    )
    try:
        return (await client.query(ref)).answer
    except DispatcherError as error:
        return error
    finally:
        await client.aclose()


def _report(outcome: Answer | DispatcherError, ref: TaskRef, *, as_json: bool) -> int:
    """Print what came of it; return the exit code."""
    if isinstance(outcome, DispatcherError):
        _show_error(outcome, ref, as_json=as_json)
        return EXIT_FAILED
    _show(outcome, ref, as_json=as_json)
    return EXIT_NOT_FOUND if outcome.observation is None else 0


def _show(answer: Answer, ref: TaskRef, *, as_json: bool) -> None:
    observation = answer.observation or Observation(Status.NOT_FOUND, ref.task_id, ref.out_task_id)
    if as_json:
        click.echo(json.dumps(_as_json(observation, answer, ref), indent=2))
        return
    table = Table(box=box.SIMPLE, show_header=False)
    for name, value in _rows(observation, answer, ref):
        table.add_row(name, Text(value))  # Text: what the API says is no markup
    Console(highlight=False, soft_wrap=True).print(table)


def _as_json(observation: Observation, answer: Answer, ref: TaskRef) -> dict[str, object]:
    return {
        "account": ref.account,
        "task_id": observation.task_id,
        "out_task_id": observation.out_task_id,
        "status": observation.status.value,
        "estimated_seconds": observation.estimated_seconds,
        "estimated_credits": observation.estimated_credits,
        "credits_used": observation.credits_used,
        "error_code": observation.error_code,
        "error_message": observation.error_message,
        "outputs": [{"type": item.type, "duration_seconds": item.duration_seconds} for item in observation.outputs],
        "schema_drift": [drift.value for drift in answer.drift],
    }


def _rows(observation: Observation, answer: Answer, ref: TaskRef) -> Iterator[tuple[str, str]]:
    """What is known, in the order of the JSON; several outputs take a row each."""
    for name, value in _as_json(observation, answer, ref).items():
        if not isinstance(value, list) and value is not None:
            yield name, f"{value:.12g}" if isinstance(value, float) else str(value)
    for item in observation.outputs:
        yield "output", item.type if item.duration_seconds is None else f"{item.type}, {item.duration_seconds:g} s"
    if answer.drift:
        yield "schema_drift", ", ".join(answer.drift)


def _show_error(error: DispatcherError, ref: TaskRef, *, as_json: bool) -> None:
    if not as_json:
        click.echo(f"query failed: {error}", err=True)
        return
    reason = {"reason": error.reason.value, "detail": error.detail, "http_status": error.status}
    document = {"account": ref.account, "task_id": ref.task_id, "out_task_id": ref.out_task_id, "error": reason}
    click.echo(json.dumps(document, indent=2))
