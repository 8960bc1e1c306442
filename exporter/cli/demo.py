"""``bytespike-exporter demo``: everything together, with nothing to configure."""

import asyncio
import signal
from contextlib import suppress
from pathlib import Path
from tempfile import TemporaryDirectory

import click

from exporter.cli.options import DEFAULT_PORT
from exporter.demo.demo import Addresses, Demo, Plan
from exporter.errors import ExporterError

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

    In a checkout, Prometheus and Alertmanager run too where they are installed, with the shipped rules.

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
    running = asyncio.create_task(Demo(plan, directory, ready=_show).run())
    stopping = asyncio.create_task(stopped.wait())
    await asyncio.wait({running, stopping}, timeout=duration, return_when=asyncio.FIRST_COMPLETED)
    stopping.cancel()
    running.cancel()
    with suppress(asyncio.CancelledError):
        await running


def _show(at: Addresses) -> None:
    monitoring = "".join(f"\n  {name:17} {url}/" for name, url in at.monitoring.items())
    remark = f"\n\n{at.remark}" if at.remark else ""
    click.echo(
        f"""
  Overview          {at.exporter}/
  Metrics           {at.exporter}/metrics
  Configuration     {at.exporter}/config
  Simulator's books {at.simulator}/sim/books{monitoring}{remark}

Tasks come and go by themselves. To see an outage of a minute, or a wave of failures:

  curl -X POST {at.simulator}/sim/scenarios -d '{{"name": "outage", "duration_seconds": 60}}'
  curl -X POST {at.simulator}/sim/scenarios -d '{{"name": "failure_wave", "duration_seconds": 60}}'

Ctrl-C stops everything.
"""
    )
