"""``bytespike-exporter simulate``: the fake dispatcher."""

from dataclasses import dataclass, field
from pathlib import Path

import click

from exporter.cli.addresses import ListenAddress
from exporter.cli.exits import CannotStart
from exporter.cli.options import Parsed
from exporter.settings.durations import parse as parse_duration
from exporter.simulator.answers import ErrorShape
from exporter.simulator.errors import SimulatorError


@dataclass(frozen=True, slots=True)
class ScenarioOption:
    """A scenario to switch on ``start`` seconds from now; without ``duration`` it stays on."""

    name: str
    start: float = 0.0
    duration: float | None = None
    params: dict[str, str] = field(default_factory=dict)


def parse_scenario(text: str) -> ScenarioOption:
    """``NAME[@START[+DURATION]][,PARAM=VALUE…]``; raises ValueError."""
    head, *pairs = text.split(",")
    name, _, when = head.partition("@")
    start, _, duration = when.partition("+")
    if not name or not all("=" in pair for pair in pairs):
        raise ValueError("expected NAME@START+DURATION[,PARAM=VALUE...], such as outage@30s+1m")
    return ScenarioOption(
        name=name,
        start=parse_duration(start) if start else 0.0,
        duration=parse_duration(duration) if duration else None,
        params=dict(pair.split("=", 1) for pair in pairs),
    )


FILE = click.Path(exists=True, dir_okay=False, path_type=Path)


@click.command("simulate")
@click.option(
    "--listen",
    type=Parsed("host:port", ListenAddress.parse),
    default="127.0.0.1:9879",
    show_default=True,
    help="HOST:PORT; port 0 takes any free one.",
)
@click.option("--listen.public", "public", is_flag=True, help="Allow an address that is not loopback.")
@click.option("--seed", type=int, default=7, show_default=True, help="The same seed draws the same fates.")
@click.option(
    "--time-scale",
    type=click.FloatRange(0.001, 10_000),
    default=1.0,
    show_default=True,
    help="How many times as fast the models are; the clock stays the machine's.",
)
@click.option(
    "--response-latency",
    type=Parsed("duration", parse_duration),
    default="0",
    show_default=True,
    help="Added to each API answer.",
)
@click.option(
    "--load.rate",
    "load_rate",
    type=click.FloatRange(0, 1000),
    default=0.0,
    show_default=True,
    help="Tasks per second that the simulator submits by itself.",
)
@click.option("--models.file", "models_file", type=FILE, help="YAML: the models instead of the built-in ones.")
@click.option("--accounts.file", "accounts_file", type=FILE, help="YAML: the accounts instead of the built-in ones.")
@click.option(
    "--scenario",
    "scenarios",
    type=Parsed("name@start+duration", parse_scenario),
    multiple=True,
    help="Switch a scenario on, e.g. outage@30s+1m or garbage@0s+2m,ratio=0.5; may be repeated.",
)
@click.option(
    "--error-shape",
    type=click.Choice([shape.value for shape in ErrorShape]),
    default=ErrorShape.OPENAI.value,
    callback=lambda _ctx, _param, value: ErrorShape(value),
    show_default=True,
    help="The envelope of errors.",
)
@click.option(
    "--duplicate-status",
    type=click.Choice([409, 400]),
    default=409,
    show_default=True,
    help="The answer to a reused out_task_id; the pages say both.",
)
def command(
    listen: ListenAddress,
    *,
    public: bool,
    seed: int,
    time_scale: float,
    response_latency: float,
    load_rate: float,
    models_file: Path | None,
    accounts_file: Path | None,
    scenarios: tuple[ScenarioOption, ...],
    error_shape: ErrorShape,
    duplicate_status: int,
) -> None:
    """Serve a fake ByteSpike dispatcher, for demos and tests.

    Exit codes: 0 it was ended by SIGTERM or SIGINT, 2 the command line is wrong, 3 it cannot start.
    """
    from exporter.simulator.accounts import load_accounts
    from exporter.simulator.app import listen as listen_on
    from exporter.simulator.app import serve
    from exporter.simulator.catalogue import load_catalogue
    from exporter.simulator.simulator import Options, Simulator

    options = Options(
        seed=seed,
        time_scale=time_scale,
        response_latency=response_latency,
        load_rate=load_rate,
        error_shape=error_shape,
        duplicate_status=duplicate_status,
    )
    try:
        simulator = Simulator(options, accounts=load_accounts(accounts_file), catalogue=load_catalogue(models_file))
        for wanted in scenarios:
            simulator.scenario(wanted.name, after=wanted.start, duration=wanted.duration, params=wanted.params)
        listener = listen_on(listen.host, listen.port, public=public)
    except SimulatorError as error:
        raise CannotStart(str(error)) from error
    serve(simulator, listener, ready=lambda url: click.echo(f"ByteSpike simulator on {url}"))
