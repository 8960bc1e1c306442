"""Why a command ends: told on standard error, in words for people, or as lines of the log where JSON is asked for."""

import signal
import sys
import traceback
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from itertools import pairwise
from typing import Any, NoReturn

import click

from exporter.cli.entry import end_by
from exporter.cli.exits import ExitCode
from exporter.cli.streams import OutputError
from exporter.errors import ExporterError
from exporter.settings.errors import ConfigError

EVENT = "fatal"
"""The event of each line of the log that says why the process ends."""

FLAG = "--log.format"
JSON = "json"


def end(error: BaseException, *, as_json: bool) -> NoReturn:
    """Tell the reason and end the process, with the exit code that is documented for it."""
    match error:
        case OutputError():
            _end_without_output(error, as_json=as_json)
        case click.Abort():  # by the terminal, at a question
            end_by(signal.SIGINT)
        case ConfigError():
            faults = [{"file": f.file, "line": f.line, "key": f.key, "error": f.message} for f in error.faults]
            _tell(ExitCode.CONFIG, faults, lambda: click.echo(str(error), err=True), as_json=as_json)
        case ExporterError():
            _tell_one(ExitCode.CANNOT_START, str(error), as_json=as_json)
        case click.ClickException():
            reason = [{"error": error.format_message()}]
            _tell(error.exit_code, reason, error.show, as_json=as_json)
        case _:
            reason = [{"error": repr(error), "exception": "".join(traceback.format_exception(error)).rstrip()}]
            _tell(ExitCode.CRASHED, reason, lambda: sys.excepthook(*_parts(error)), as_json=as_json)


def wants_json(arguments: Sequence[str], environ: Mapping[str, str], *, variable: str) -> bool:
    """Whether the log's format is to be JSON, even where the rest of the command line cannot be understood."""
    wanted = environ.get(variable, "")
    for argument, following in pairwise([*arguments, ""]):
        name, has_value, value = argument.partition("=")
        if name == FLAG:
            wanted = value if has_value else following
    return wanted == JSON


def _tell_one(code: int, reason: str, *, as_json: bool) -> NoReturn:
    _tell(code, [{"error": reason}], lambda: click.echo(f"Error: {reason}", err=True), as_json=as_json)


def _tell(code: int, lines: Sequence[Mapping[str, Any]], show: Callable[[], None], *, as_json: bool) -> NoReturn:
    if as_json:
        _log(code, lines)
    else:
        with suppress(OSError):  # nobody reads it any more
            show()
    sys.exit(code)


def _log(code: int, lines: Sequence[Mapping[str, Any]]) -> None:
    """Through the log as it was set up; where it did not come to that, as it would have been."""
    import structlog

    from exporter.logs import LogFormat, configure

    if not structlog.is_configured():
        configure(log_format=LogFormat.JSON)
    for line in lines:
        structlog.get_logger().error(EVENT, exit_code=int(code), **line)


def _end_without_output(error: OutputError, *, as_json: bool) -> NoReturn:
    """Whoever has read enough, such as ``head``, is no fault: it ends as any program that writes to a closed pipe."""
    if error.reader_is_gone:
        end_by(signal.SIGPIPE)
    _tell_one(ExitCode.OUTPUT, f"cannot write to standard output: {error}", as_json=as_json)


def _parts(error: BaseException) -> tuple[type[BaseException], BaseException, Any]:
    return type(error), error, error.__traceback__
