"""The options that commands share: named as in every Prometheus exporter, each with an environment variable."""

import re
from collections.abc import Callable
from dataclasses import dataclass
from ipaddress import ip_address
from pathlib import Path
from typing import Any, Generic, Self, TypeVar

import click

from exporter.logs import LogFormat, LogLevel

PREFIX = "BYTESPIKE_EXPORTER_"
DEFAULT_PORT = 9877

_ADDRESS = re.compile(r"(?:\[(?P<six>[0-9A-Fa-f:.]+)\]|(?P<host>[^\[\]:]*)):(?P<port>[0-9]{1,5})")
_HOST = re.compile(r"[A-Za-z0-9]([A-Za-z0-9.-]*[A-Za-z0-9])?")

Command = TypeVar("Command", bound=Callable[..., Any])
T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class ListenAddress:
    """Where to listen; no host means every interface, port 0 any free one."""

    host: str
    port: int

    @classmethod
    def parse(cls, text: str) -> Self:
        """``:9877``, ``127.0.0.1:0``, ``localhost:9877`` or ``[::1]:9877``; ValueError for anything else."""
        match = _ADDRESS.fullmatch(text)
        if match is None or not _is_host(match["host"], match["six"]):
            raise ValueError("expected HOST:PORT, such as :9877, 127.0.0.1:9877 or [::1]:9877")
        port = int(match["port"])
        if port > 65535:
            raise ValueError(f"there is no port {port}; the last is 65535")
        return cls(match["six"] or match["host"], port)

    def __str__(self) -> str:
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"


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


def listen_address(command: Command) -> Command:
    """``--web.listen-address`` as ``listen_address: ListenAddress``."""
    return click.option(
        "--web.listen-address",
        "listen_address",
        metavar="[HOST]:PORT",
        default=f":{DEFAULT_PORT}",
        callback=_listen_address,
        envvar=f"{PREFIX}WEB_LISTEN_ADDRESS",
        show_envvar=True,
        show_default=True,
        help="Where to listen; without a host on every interface.",
    )(command)


def web_config_file(command: Command) -> Command:
    """``--web.config.file`` as ``web_config_file: Path | None``."""
    return click.option(
        "--web.config.file",
        "web_config_file",
        type=click.Path(path_type=Path),
        default=None,
        callback=lambda _ctx, _param, value: value if value and str(value) else None,
        envvar=f"{PREFIX}WEB_CONFIG_FILE",
        show_envvar=True,
        help="A file that turns on TLS, users and more, as in every Prometheus exporter.",
    )(command)


def _listen_address(_ctx: click.Context, _param: click.Parameter, value: str) -> ListenAddress:
    try:
        return ListenAddress.parse(value)
    except ValueError as error:
        raise click.BadParameter(str(error)) from None


def _is_host(host: str | None, six: str | None) -> bool:
    if six is None:
        return not host or bool(_HOST.fullmatch(host))
    try:
        return ip_address(six).version == 6
    except ValueError:
        return False
