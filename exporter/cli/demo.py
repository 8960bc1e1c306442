"""``bytespike-exporter demo``: everything together, with nothing to configure."""

import asyncio
import shutil
import signal
import sys
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

import click

from exporter.cli.options import DEFAULT_PORT
from exporter.demo.demo import Addresses, Demo, Plan
from exporter.demo.monitoring import ALERTMANAGER
from exporter.errors import ExporterError
from exporter.simulator.steering import SIMULATOR

NAME = "bytespike-exporter"


@dataclass(frozen=True, slots=True)
class Suggestion:
    """A scenario worth seeing: what it does, and who is told of it when, in a demo at its usual pace."""

    scenario: str
    does: str
    told: str


SUGGESTIONS = (
    Suggestion(
        scenario="outage --for 10m",
        does="No query is answered: the overview shows it at once.",
        told="After about 4 minutes: page ByteSpikeUpstreamDown; it is over some 2 minutes after the outage.",
    ),
    Suggestion(
        scenario="failure_wave --for 15m",
        does="Four in five of the tasks that are submitted from now on fail.",
        told=(
            "After about 4 minutes in a new demo, or 9 in one that went well for a while: "
            "page ByteSpikeSuccessBudgetBurningFast."
        ),
    ),
)
"""The minutes are measured: python scripts/first_alerts.py"""

TOLD = "Whoever is told of an alert is told here, too, a line each."
MORE = "Grafana, and all of this in containers: docker compose up"

STOP_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


@click.command("demo")
@click.option("--seed", type=int, default=7, show_default=True, help="The same seed draws the same tasks.")
@click.option(
    "--time-scale",
    type=click.FloatRange(0.1, 100),
    default=5.0,
    show_default=True,
    help="How many times as fast as in earnest the models are.",
)
@click.option("--duration", type=click.FloatRange(0, min_open=True), help="Stop by itself after so many seconds.")
@click.option(
    "--port",
    type=click.IntRange(0, 65534),
    default=DEFAULT_PORT,
    show_default=True,
    help="The exporter's port, the simulator takes the next; where one is taken, and for 0, any free one.",
)
def command(*, seed: int, time_scale: float, duration: float | None, port: int) -> None:
    """Run simulator and exporter together, with nothing to configure; Ctrl-C stops everything.

    In a checkout, Prometheus and Alertmanager run too where they are installed, with the shipped rules; who is told of
    an alert is told here as well.

    Exit codes: 0 it was stopped, 1 something ended by itself (the end of its log is shown).
    """
    plan = Plan(seed=seed, time_scale=time_scale, port=port)
    click.echo("Starting ...")
    try:
        with TemporaryDirectory(prefix="bytespike-demo-") as directory:
            asyncio.run(_run(plan, Path(directory), duration))
    except ExporterError as error:
        raise click.ClickException(str(error)) from None
    click.echo("Stopped.")


async def _run(plan: Plan, directory: Path, duration: float | None) -> None:
    """Run until a signal comes, the time is over or something fails. Further signals change nothing: it is bounded."""
    stopped, loop = asyncio.Event(), asyncio.get_running_loop()
    for number in STOP_SIGNALS:
        loop.add_signal_handler(number, stopped.set)
    running = asyncio.create_task(Demo(plan, directory, ready=_show, tell=click.echo).run())
    stopping = asyncio.create_task(stopped.wait())
    await asyncio.wait({running, stopping}, timeout=duration, return_when=asyncio.FIRST_COMPLETED)
    stopping.cancel()
    running.cancel()
    with suppress(asyncio.CancelledError):
        await running


def _show(at: Addresses) -> None:
    addresses = {
        "Overview": f"{at.exporter}/",
        "Metrics": f"{at.exporter}/metrics",
        "Configuration": f"{at.exporter}/config",
        "Simulator's books": f"{at.simulator}/sim/books",
        **at.views,
    }
    click.echo()
    for name, address in addresses.items():
        click.echo(f"  {name:17} {address}")
    if at.remark:
        click.echo(f"\n{at.remark}")
    click.echo("\nTasks come and go by themselves. Let something go wrong, from another terminal:")
    is_told = ALERTMANAGER in at.monitoring
    for suggestion in SUGGESTIONS:
        click.echo(f"\n  {_typed(suggestion.scenario, at.simulator)}\n    {suggestion.does}")
        if is_told:
            click.echo(f"    {suggestion.told}")
    told = f"{TOLD}\n" if is_told else ""
    click.echo(f"\n{told}{MORE}\nCtrl-C stops everything.\n")


def _typed(scenario: str, simulator: str) -> str:
    """The command line, as it is to be typed here."""
    at = "" if simulator == SIMULATOR else f" --at {simulator}"
    return f"{_program()} scenario {scenario}{at}"


def _program() -> str:
    """This program, as it is called here: by its name where that finds it, else by its path."""
    script = Path(sys.executable).with_name(NAME)
    if not script.is_file():
        return f"{sys.executable} -m exporter"
    if shutil.which(NAME) == str(script):
        return NAME
    here = Path.cwd()
    return str(script.relative_to(here) if script.is_relative_to(here) else script)
