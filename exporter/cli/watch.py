"""``watch``: the tasks of a running exporter, live."""

import asyncio
import os
import sys
from collections.abc import Callable
from functools import partial, wraps
from pathlib import Path
from typing import Any, TypeVar, cast

import click
from rich.console import Console

from exporter import lookups
from exporter.cli.options import DEFAULT_PORT, PREFIX, Parsed
from exporter.clock import SystemClock
from exporter.settings.durations import parse as parse_duration
from exporter.watch.address import Address, Credentials, Trust, transport
from exporter.watch.client import ExporterClient
from exporter.watch.ending import stopped_by_signals
from exporter.watch.overview import Filters
from exporter.watch.plain import watch_lines
from exporter.watch.screen import Screen

TOKEN = f"{PREFIX}TOKEN"
PASSWORD = f"{PREFIX}PASSWORD"

SHORTEST_INTERVAL = 0.5

Command = TypeVar("Command", bound=Callable[..., Any])


def parse_interval(text: str) -> float:
    """Seconds of a duration that is not too short; raises ValueError."""
    seconds = parse_duration(text)
    if seconds < SHORTEST_INTERVAL:
        raise ValueError("expected 500ms or more")
    return seconds


def _who_asks(command: Command) -> Command:
    """Who asks, and whom we trust, as ``credentials: Credentials`` and ``trust: Trust``."""
    file = click.Path(path_type=Path)

    @click.option("--token-file", type=file, help=f"File with the token of api.token_file; or the variable {TOKEN}.")
    @click.option("--user", help="A user of basic_auth_users in the web configuration file.")
    @click.option("--password-file", type=file, help=f"File with that user's password; or the variable {PASSWORD}.")
    @click.option("--ca-file", type=file, help="Authorities to trust for https, in place of the usual ones.")
    @click.option("--cert-file", type=file, help="Our certificate, where the exporter wants one; with --key-file.")
    @click.option("--key-file", type=file, help="The key of --cert-file.")
    @click.option("--insecure-skip-verify", is_flag=True, help="Trust any server.")
    @wraps(command)
    def with_credentials(
        *args: Any,
        token_file: Path | None,
        user: str | None,
        password_file: Path | None,
        ca_file: Path | None,
        cert_file: Path | None,
        key_file: Path | None,
        insecure_skip_verify: bool,
        **kwargs: Any,
    ) -> Any:
        if token_file and user:
            raise click.UsageError("--token-file and --user: exactly one of the two is allowed")
        if bool(cert_file) != bool(key_file):
            raise click.UsageError("--cert-file and --key-file are needed together")
        if password_file and not user:
            raise click.UsageError("--password-file needs --user")
        credentials = Credentials(
            token_file=token_file, token_env=TOKEN, user=user, password_file=password_file, password_env=PASSWORD
        )
        trust = Trust(
            ca_file=ca_file, cert_file=cert_file, key_file=key_file, insecure_skip_verify=insecure_skip_verify
        )
        return command(*args, credentials=credentials, trust=trust, **kwargs)

    return cast("Command", with_credentials)


@click.command("watch")
@click.option(
    "--url",
    "address",
    type=Parsed("url", Address.parse),
    default=f"http://localhost:{DEFAULT_PORT}",
    envvar=f"{PREFIX}URL",
    show_envvar=True,
    show_default=True,
    help="Where the exporter is, with its prefix where it has one; unix:/path is a socket in the file system.",
)
@click.option(
    "--interval", type=Parsed("duration", parse_interval), default="2s", show_default=True, help="Ask this often."
)
@click.option("--group", help="Only the tasks of this group.")
@click.option("--account", help="Only the tasks of this account.")
@click.option(
    "--web.telemetry-path", "telemetry_path", default="/metrics", show_default=True, help="Where its metrics are."
)
@click.option("--plain", is_flag=True, help="Print lines, as in a pipe, also where there is a screen.")
@_who_asks
def command(
    *,
    address: Address,
    interval: float,
    group: str | None,
    account: str | None,
    telemetry_path: str,
    plain: bool,
    credentials: Credentials,
    trust: Trust,
) -> None:
    """Watch the tasks of a running exporter, live; q or Ctrl-C ends it.

    In a pipe and in a dumb terminal it prints a line for whatever changes. An exporter that does not answer is asked
    again until it does.

    Exit codes: 0 it was ended, 2 the command line is wrong, 3 the certificates or the socket cannot be used.
    """
    way = transport(address, trust)
    filters = Filters(group=group, account=account)
    console = Console(highlight=False)
    has_screen = sys.stdout.isatty() and not console.is_dumb_terminal and not plain

    async def watch() -> None:
        stop, clock = asyncio.Event(), SystemClock()
        with stopped_by_signals(stop):
            async with ExporterClient(
                address.url,
                transport=way,
                authorize=partial(credentials.header, os.environ),
                wall=clock.wall,
                telemetry_path=telemetry_path,
            ) as exporter:
                if has_screen:
                    await Screen(
                        exporter,
                        filters,
                        console,
                        address=str(address),
                        interval=interval,
                        clock=clock,
                        stop=stop,
                        keys=sys.stdin.fileno() if sys.stdin.isatty() else None,
                    ).run()
                else:
                    await watch_lines(exporter, filters, tell=click.echo, interval=interval, clock=clock, stop=stop)

    lookups.run(watch())
