"""The command line: ``bytespike-exporter [COMMAND]``; without a command it serves.

Commands are imported when they are called, so that each pays only for what it needs.
"""

import importlib
import os
import platform
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import click
from click.shell_completion import CompletionItem

from exporter import version
from exporter.cli.entry import SERVE, command_of
from exporter.cli.failures import end, wants_json
from exporter.cli.streams import settle, take_anything

LOG_FORMAT = "BYTESPIKE_EXPORTER_LOG_FORMAT"


@dataclass(frozen=True, slots=True)
class Lazy:
    """A command by its place (``module:name``), and one line about it."""

    place: str
    help: str

    def load(self) -> click.Command:
        module, _, name = self.place.partition(":")
        command: click.Command = getattr(importlib.import_module(module), name)
        return command


COMMANDS = {
    "serve": Lazy("exporter.cli.serve:command", "Poll the configured tasks and serve /metrics (the default)."),
    "init": Lazy("exporter.cli.init:command", "Write a first configuration, and what goes with it."),
    "check-config": Lazy("exporter.cli.check_config:command", "Check a configuration file and name every mistake."),
    "check-web-config": Lazy("exporter.cli.check_web_config:command", "Check a file for --web.config.file."),
    "query": Lazy("exporter.cli.query:command", "Ask for tasks, once, now, or until they have ended."),
    "watch": Lazy("exporter.cli.watch:command", "Watch the tasks of a running exporter, live."),
    "doctor": Lazy("exporter.cli.doctor:command", "Check what keeps an exporter from working, and say what to do."),
    "simulate": Lazy("exporter.cli.simulate:command", "Serve a fake ByteSpike API."),
    "scenario": Lazy("exporter.cli.scenario:command", "Let something go wrong in a running simulator."),
    "ledger": Lazy("exporter.cli.ledger:command", "Look into the ledger, copy it, and take out what is not wanted."),
    "demo": Lazy("exporter.cli.demo:command", "Run simulator and exporter together, with nothing to configure."),
    "demo-receiver": Lazy("exporter.cli.demo_receiver:command", "Print what an Alertmanager sends, as lines."),
}


class Commands(click.Group):
    """The commands of the table; flags without a command belong to the default one."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        own = {option for param in self.get_params(ctx) for option in param.opts}
        is_first = not args and not ctx.resilient_parsing  # a shell asks what may stand here
        if is_first or (args and args[0].startswith("-") and args[0] not in own):
            args = [SERVE, *args]
        return super().parse_args(ctx, args)

    def shell_complete(self, ctx: click.Context, incomplete: str) -> list[CompletionItem]:
        """The commands, none of them imported for that; flags are those of serve and our own."""
        if not incomplete.startswith("-"):
            return [
                CompletionItem(name, help=lazy.help) for name, lazy in COMMANDS.items() if name.startswith(incomplete)
            ]
        serve = COMMANDS[SERVE].load()
        flags = [
            *click.Command.shell_complete(self, ctx, incomplete),
            *serve.shell_complete(click.Context(serve, parent=ctx), incomplete),
        ]
        return list({flag.value: flag for flag in flags}.values())

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002 - the signature is click's
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:  # noqa: ARG002 - likewise
        return COMMANDS[cmd_name].load() if cmd_name in COMMANDS else None

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:  # noqa: ARG002 - likewise
        with formatter.section("Commands"):
            formatter.write_dl([(name, lazy.help) for name, lazy in COMMANDS.items()])

    def main(
        self,
        args: Sequence[str] | None = None,
        prog_name: str | None = None,
        complete_var: str | None = None,
        standalone_mode: bool = True,  # noqa: FBT001, FBT002 - the signature is click's
        **extra: Any,
    ) -> Any:
        """Run the command and end the process; what the user can mend is said in words, never by a traceback."""
        if not standalone_mode:
            return super().main(args, prog_name, complete_var, standalone_mode=False, **extra)
        arguments = sys.argv[1:] if args is None else list(args)
        as_json = command_of(arguments) == SERVE and wants_json(arguments, os.environ, variable=LOG_FORMAT)
        try:
            code = super().main(arguments, prog_name, complete_var, standalone_mode=False, **extra)
            if sys.stdout is not None:
                sys.stdout.flush()
        except Exception as error:  # noqa: BLE001 - whatever it is, it is told
            end(error, as_json=as_json)
        finally:
            settle()
        sys.exit(code)


def _version_text() -> str:
    return (
        f"%(prog)s, version {version.version()} (revision: {version.revision()}, python: {platform.python_version()})"
    )


@click.group(cls=Commands, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 120})
@click.version_option(version.version(), prog_name="bytespike-exporter", message=_version_text())
def cli() -> None:
    """ByteSpike's generation tasks as Prometheus metrics, each outcome counted once.

    Without a command it serves, and flags belong to serve: bytespike-exporter --config.file=exporter.yml

    Exit codes: 0 it went well, 1 the configuration has faults, 2 the command line is wrong, 3 it cannot start, 70 it
    crashed.
    """


def main() -> None:
    """What ``exporter.cli.entry`` runs."""
    take_anything()
    cli(prog_name="bytespike-exporter")
