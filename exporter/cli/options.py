"""The options that commands share: named as in every Prometheus exporter, each with an environment variable."""

import re
import socket
from collections.abc import Callable
from functools import wraps
from pathlib import Path
from typing import Any, Generic, TypeVar, cast

import click

from exporter.cli.addresses import parse_address
from exporter.logs import LogFormat, LogLevel
from exporter.web.site import METRICS, Site

PREFIX = "BYTESPIKE_EXPORTER_"
DEFAULT_PORT = 9877

Command = TypeVar("Command", bound=Callable[..., Any])
T = TypeVar("T")


class Parsed(click.ParamType[T], Generic[T]):
    """What a function reads from the argument's text; its ValueError is the user's mistake."""

    def __init__(self, name: str, parse: Callable[[str], T]) -> None:
        self.name = name
        self._parse = parse

    def convert(self, value: object, param: click.Parameter | None, ctx: click.Context | None) -> T:
        try:
            return self._parse(str(value))
        except ValueError as error:
            self.fail(str(error), param, ctx)


def config_file(command: Command) -> Command:
    """``--config.file`` as ``config_file: Path``."""
    return click.option(
        "--config.file",
        "config_file",
        type=click.Path(path_type=Path),
        default=Path("exporter.yml"),
        envvar=f"{PREFIX}CONFIG_FILE",
        show_envvar=True,
        show_default=True,
        help="The configuration file.",
    )(command)


def log_options(command: Command) -> Command:
    """``--log.level`` and ``--log.format`` as ``log_level: LogLevel`` and ``log_format: LogFormat``."""
    level = click.option(
        "--log.level",
        "log_level",
        type=click.Choice([level.value for level in LogLevel]),
        default=LogLevel.INFO.value,
        callback=lambda _ctx, _param, value: LogLevel(value),
        envvar=f"{PREFIX}LOG_LEVEL",
        show_envvar=True,
        show_default=True,
        help="The least severity that is logged.",
    )
    form = click.option(
        "--log.format",
        "log_format",
        type=click.Choice([form.value for form in LogFormat]),
        default=LogFormat.LOGFMT.value,
        callback=lambda _ctx, _param, value: LogFormat(value),
        envvar=f"{PREFIX}LOG_FORMAT",
        show_envvar=True,
        show_default=True,
        help="How log lines are written.",
    )
    return level(form(command))


def listen_addresses(command: Command) -> Command:
    """``--web.listen-address`` as ``addresses: tuple[Address, ...]``."""
    return click.option(
        "--web.listen-address",
        "addresses",
        type=Parsed("[host]:port", parse_address),
        multiple=True,
        default=[f":{DEFAULT_PORT}"],
        envvar=f"{PREFIX}WEB_LISTEN_ADDRESS",
        show_envvar=True,
        show_default=True,
        help="Where to listen, [HOST]:PORT or unix:/path; without a host on every interface. May be repeated; in the "
        "variable, separated by blanks.",
    )(command)


def listening(command: Command) -> Command:
    """The same, and ``--web.systemd-socket`` as ``handed_over``."""
    systemd = click.option(
        "--web.systemd-socket",
        "handed_over",
        is_flag=True,
        envvar=f"{PREFIX}WEB_SYSTEMD_SOCKET",
        show_envvar=True,
        help="Listen on the sockets that systemd hands over, and on no others.",
    )
    return listen_addresses(systemd(command))


def web_config_file(command: Command) -> Command:
    """``--web.config.file`` as ``web_config_file: Path | None``."""
    return click.option(
        "--web.config.file",
        "web_config_file",
        type=click.Path(path_type=Path),
        default=None,
        callback=lambda _ctx, _param, value: value if value and value.name else None,
        envvar=f"{PREFIX}WEB_CONFIG_FILE",
        show_envvar=True,
        help="A file that turns on TLS, users and more, as in every Prometheus exporter.",
    )(command)


def replica_id(command: Command) -> Command:
    """``--replica.id`` as ``replica_id: str``."""
    return click.option(
        "--replica.id",
        "replica_id",
        type=Parsed("NAME", _replica_id),
        default=socket.gethostname,
        envvar=f"{PREFIX}REPLICA_ID",
        show_envvar=True,
        show_default="the host's name",
        help="What this exporter is called among those that share its ledger on PostgreSQL; each has its own name, the "
        "same after a restart.",
    )(command)


def _replica_id(text: str) -> str:
    if not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9._-]{0,99}", text):
        raise ValueError("expected letters, digits, dots, dashes and underscores, 100 at most")
    return text


def site(command: Command) -> Command:
    """``--web.external-url``, ``--web.route-prefix`` and ``--web.telemetry-path`` as ``site: Site``."""

    @click.option(
        "--web.external-url",
        "external_url",
        metavar="URL",
        default="",
        envvar=f"{PREFIX}WEB_EXTERNAL_URL",
        show_envvar=True,
        help="The address by which the exporter is reached from outside, such as behind a reverse proxy.",
    )
    @click.option(
        "--web.route-prefix",
        "route_prefix",
        metavar="PATH",
        default="",
        envvar=f"{PREFIX}WEB_ROUTE_PREFIX",
        show_envvar=True,
        help="What every path begins with here. By default the path of --web.external-url.",
    )
    @click.option(
        "--web.telemetry-path",
        "telemetry_path",
        metavar="PATH",
        default=METRICS,
        envvar=f"{PREFIX}WEB_TELEMETRY_PATH",
        show_envvar=True,
        show_default=True,
        help="Where the metrics are, below the prefix.",
    )
    @wraps(command)
    def with_site(*args: Any, external_url: str, route_prefix: str, telemetry_path: str, **kwargs: Any) -> Any:
        try:
            found = Site.of(external_url=external_url, route_prefix=route_prefix, telemetry_path=telemetry_path)
        except ValueError as error:
            raise click.UsageError(str(error)) from None
        return command(*args, site=found, **kwargs)

    return cast("Command", with_site)
