"""``bytespike-exporter scenario``: let something go wrong in a running simulator, and end it again."""

import re
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict
from typing import Any, TypeVar

import click
import httpx

from exporter.cli.options import Parsed
from exporter.settings.durations import parse as parse_duration
from exporter.settings.durations import to_text
from exporter.simulator.errors import RefusedError, UnreachableError
from exporter.simulator.scenarios import KINDS
from exporter.simulator.steering import SIMULATOR, Planned, Steering

EXIT_UNREACHABLE = 4
EXIT_REFUSED = 5

HOST = re.compile(r"[0-9A-Za-z.:-]+")

CODES = "Exit codes: 0 it is done, 2 the command line is wrong, 4 no simulator answers there, 5 it refuses."

Command = TypeVar("Command", bound=Callable[..., Any])


def parse_url(text: str) -> str:
    """The address of a simulator; raises ValueError."""
    try:
        url = httpx.URL(text)
    except httpx.InvalidURL:
        url = httpx.URL("")
    if url.scheme not in ("http", "https") or not HOST.fullmatch(url.host):
        raise ValueError(f"expected http://HOST:PORT, such as {SIMULATOR}")
    return text


def parse_lasting(text: str) -> float:
    """A duration that is not 0; raises ValueError."""
    seconds = parse_duration(text)
    if not seconds:
        raise ValueError("expected more than 0; where it is left out, the scenario stays on")
    return seconds


def parse_param(text: str) -> tuple[str, str]:
    """``PARAM=VALUE``; raises ValueError."""
    name, separator, value = text.partition("=")
    if not name or not separator:
        raise ValueError("expected PARAM=VALUE, such as ratio=0.5")
    return name, value


def _at(command: Command) -> Command:
    return click.option(
        "--at",
        "url",
        type=Parsed("url", parse_url),
        default=SIMULATOR,
        show_default=True,
        help="Where the simulator is.",
    )(command)


class NoSimulator(click.ClickException):
    """There is none where one was asked for."""

    exit_code = EXIT_UNREACHABLE


class NotDone(click.ClickException):
    """The simulator refuses."""

    exit_code = EXIT_REFUSED


class Scenarios(click.Group):
    """Each scenario is a command of its own; a name that is none is told with those that are."""

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        return super().get_command(ctx, cmd_name) or (_switch(cmd_name) if cmd_name in KINDS else None)

    def list_commands(self, ctx: click.Context) -> list[str]:
        return [*super().list_commands(ctx), *KINDS]

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        if self.get_command(ctx, args[0]) is None:
            ctx.fail(f"No scenario is named {args[0]!r}; there are: {', '.join(KINDS)}.")
        return super().resolve_command(ctx, args)


@click.group("scenario", cls=Scenarios, subcommand_metavar="list | end NAME | NAME [OPTIONS]", epilog=CODES)
def command() -> None:
    """Let something go wrong in a running simulator, such as: scenario outage --for 10m"""


@command.command("list", epilog=CODES)
@_at
def list_(*, url: str) -> None:
    """List what there is, and what of it is on or planned."""
    with _steering(url) as simulator:
        planned = simulator.planned()
    for line in _lines(planned):
        click.echo(line)


@command.command("end", epilog=CODES)
@click.argument("name", type=click.Choice(list(KINDS)), metavar="NAME")
@_at
def end(*, name: str, url: str) -> None:
    """End what is on or planned under a name."""
    with _steering(url) as simulator:
        simulator.end(name)
    click.echo(f"{name} is over.")


def _switch(name: str) -> click.Command:
    """The command that switches a scenario on."""

    @click.command(
        name, short_help=_effect(name), help=f"{_effect(name)}\n\nParameters: {_written(_usual(name))}", epilog=CODES
    )
    @click.option(
        "--for", "duration", type=Parsed("duration", parse_lasting), help="How long; without it, until it is ended."
    )
    @click.option(
        "--after", type=Parsed("duration", parse_duration), default="0", show_default=True, help="Begin so much later."
    )
    @click.option(
        "--set",
        "params",
        type=Parsed("param=value", parse_param),
        multiple=True,
        help="Set a parameter; may be repeated.",
    )
    @click.option("--account", help="Limit it to one account, by its name in the simulator.")
    @_at
    def switch(
        *, duration: float | None, after: float, params: Sequence[tuple[str, str]], account: str | None, url: str
    ) -> None:
        given = dict(params) | ({"account": account} if account else {})
        with _steering(url) as simulator:
            planned = simulator.switch_on(name, after=after, duration=duration, params=given)
        lasting = f" ({to_text(duration)})" if duration else ""
        at = "" if url == SIMULATOR else f" --at {url}"
        click.echo(f"{name} is {_state(planned)}{lasting}. {_effect(name)}")
        click.echo(f"To end it{' before' if duration else ''}: bytespike-exporter scenario end {name}{at}")

    return switch


@contextmanager
def _steering(url: str) -> Iterator[Steering]:
    """The simulator at a URL; what goes wrong with it is told in words."""
    try:
        with Steering(url) as simulator:
            yield simulator
    except RefusedError as error:
        raise NotDone(f"the simulator refuses: {error}") from error
    except UnreachableError as error:
        hint = "Start one with bytespike-exporter demo or simulate, or say by --at where it is."
        raise NoSimulator(f"{error}. {hint}") from error


def _lines(planned: Sequence[Planned]) -> Iterator[str]:
    """A line for each scenario that is on or planned, and for each that is not."""
    for name in KINDS:
        states = [f"{_state(each)} {_written(_changed(each))}" for each in planned if each.name == name]
        for state in states or ["off"]:
            yield f"{name:17} {state.rstrip():20}  {_effect(name)}"


def _state(planned: Planned) -> str:
    begun = "on" if planned.active else f"planned from {_time_of_day(planned.start)}"
    return begun if planned.end is None else f"{begun} until {_time_of_day(planned.end)}"


def _changed(planned: Planned) -> dict[str, object]:
    """The parameters that are not as they are by default."""
    usual = _usual(planned.name)
    return {param: value for param, value in planned.params.items() if usual.get(param) != value}


def _usual(name: str) -> dict[str, object]:
    return asdict(KINDS[name]())


def _written(params: dict[str, object]) -> str:
    return ", ".join(f"{param}={'' if value is None else value}" for param, value in params.items())


def _effect(name: str) -> str:
    """What it does, in its own words."""
    return (KINDS[name].__doc__ or "").replace("``", "")


def _time_of_day(seconds: float) -> str:
    return time.strftime("%H:%M:%S", time.localtime(seconds))
