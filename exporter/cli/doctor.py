"""``doctor``: what keeps an exporter from working, and what to do about it."""

import json
import os
from collections.abc import Iterator, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path

import click
from rich.console import Console

from exporter import lookups
from exporter.cli.addresses import Address, ListenAddress, listening
from exporter.cli.exits import CannotStart, ExitCode
from exporter.cli.options import Parsed, config_file, listen_addresses
from exporter.cli.sidecar import connections_out
from exporter.doctor import configuration, machine, report, way
from exporter.doctor.configuration import CONFIGURATION, KEY, PROXY, SECRETS
from exporter.doctor.examination import Check, examine
from exporter.doctor.finding import Finding, skipped
from exporter.doctor.ports import PORT, Place, port
from exporter.doctor.prometheus import PROMETHEUS, prometheus
from exporter.logs import Secrets
from exporter.outbound import Outbound, parsed
from exporter.settings.confidential import sources_of
from exporter.settings.durations import parse as parse_duration
from exporter.settings.errors import ConfigError
from exporter.settings.load import load
from exporter.settings.model import Settings
from exporter.threads import in_thread
from exporter.web.places import CONNECTIONS, ELSEWHERE, FEWEST, KEPT

EXIT_FAULTS = 4


def parse_prometheus(text: str) -> str:
    """The address of a Prometheus; raises ValueError."""
    url = parsed(text)
    if url is None or url.scheme not in ("http", "https") or not url.host or url.userinfo or url.query:
        raise ValueError("expected a URL such as http://localhost:9090, without user or query")
    return text


@click.command("doctor")
@config_file
@listen_addresses
@click.option(
    "--prometheus.url", "prometheus_url", type=Parsed("url", parse_prometheus), help="A Prometheus that scrapes this."
)
@click.option(
    "--timeout",
    "seconds",
    type=Parsed("duration", parse_duration),
    default="15s",
    show_default=True,
    help="How long each check may take; they go on side by side.",
)
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def command(
    *, config_file: Path, addresses: tuple[Address, ...], prometheus_url: str | None, seconds: float, as_json: bool
) -> None:
    """Check what keeps an exporter from working, and say for each fault what to do.

    Run it as the exporter is run: as the same user, in the same directory and environment. It changes nothing, and asks
    the API one question for each account, which is free: for a task that cannot be.

    Exit codes: 0 nothing is in the way (there may be warnings), 1 the configuration has faults, 2 the command line is
    wrong, 4 something else is a fault.
    """
    findings = lookups.run(_examined(config_file, addresses, prometheus_url, seconds))
    if as_json:
        click.echo(json.dumps(report.document(findings), indent=2))
    else:
        Console(highlight=False).print(report.page(findings))
    if report.faults([finding for finding in findings if finding.check == CONFIGURATION]):
        raise SystemExit(ExitCode.CONFIG)
    raise SystemExit(EXIT_FAULTS if report.faults(findings) else ExitCode.OK)


async def _examined(
    file: Path, addresses: Sequence[Address], prometheus_url: str | None, seconds: float
) -> list[Finding]:
    secrets, loaded = Secrets(), list[Settings]()

    async def configured() -> Sequence[Finding]:
        try:
            settings = await in_thread(partial(load, file))
        except ConfigError as error:
            return configuration.faults(error)
        await in_thread(partial(sources_of, settings, secrets, os.environ))  # known before anything is said
        loaded.append(settings)
        return await in_thread(partial(configuration.configuration, settings, file))

    findings = await examine([Check(CONFIGURATION, configured)], seconds=seconds)
    outbound = await in_thread(partial(Outbound.of, os.environ))
    checks = [*_of_machine(loaded[0] if loaded else None, addresses)]
    if loaded:
        checks = [*_of_settings(loaded[0], outbound), *checks]
    else:
        findings.append(skipped("the way to the API", "without a configuration nobody knows where it is"))
    if prometheus_url is not None:
        ports = {address.port for address in addresses if isinstance(address, ListenAddress)}
        checks.append(Check(PROMETHEUS, partial(prometheus, prometheus_url, outbound, ports=ports)))
    findings += await examine(checks, seconds=seconds)
    return [replace(each, detail=secrets.mask(each.detail), advice=secrets.mask(each.advice)) for each in findings]


def _of_settings(settings: Settings, outbound: Outbound) -> Iterator[Check]:
    for account in settings.accounts:
        look = partial(configuration.key, account, os.environ)
        yield Check(KEY, partial(in_thread, look), account.name)
    yield Check(SECRETS, partial(in_thread, partial(configuration.secrets, settings, os.environ)))
    yield Check(PROXY, partial(in_thread, partial(configuration.proxy, settings, outbound)))
    for account in settings.accounts:
        yield Check(way.DNS, partial(way.dns, account, outbound), account.name)
        yield Check(way.TLS, partial(way.tls, account, outbound), account.name)
        yield Check(way.QUERY, partial(way.query, account, outbound, os.environ), account.name)
    yield Check(machine.LEDGER, partial(in_thread, partial(machine.ledger, settings.ledger.url)))


def _of_machine(settings: Settings | None, addresses: Sequence[Address]) -> Iterator[Check]:
    proxy = [ListenAddress.parse(settings.proxy.listen_address)] if settings and settings.proxy else []
    for address in (*addresses, *proxy):
        yield Check(PORT, partial(port, _place(address)), str(address))
    out = ELSEWHERE + (connections_out(settings) if settings else 0)
    look = partial(machine.descriptors, wanted=out + CONNECTIONS + KEPT, least=out + FEWEST)
    yield Check(machine.DESCRIPTORS, partial(in_thread, look))


def _place(address: Address) -> Place:
    def refusal() -> str | None:
        try:
            with listening([address]):
                return None
        except CannotStart as error:
            return error.format_message()

    is_everywhere = isinstance(address, ListenAddress) and address.host in ("", "0.0.0.0", "::")  # noqa: S104 - compared
    if not isinstance(address, ListenAddress):
        return Place(str(address), refusal)
    return Place(str(address), refusal, f"http://{f'127.0.0.1:{address.port}' if is_everywhere else address}")
