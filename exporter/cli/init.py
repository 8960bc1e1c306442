"""``init``: a first configuration, and what goes with it, by a few questions or by flags."""

import os
import re
import shlex
import sys
from collections.abc import Iterator
from enum import StrEnum
from pathlib import Path
from typing import TypeVar

import click

from exporter import version
from exporter.cli.options import Parsed
from exporter.scaffold.choices import SIDECAR, Choices, Deploy, Way
from exporter.scaffold.rendering import CONFIG, File, rendered
from exporter.scaffold.writing import write
from exporter.settings.load import parse
from exporter.suspects import is_key

IMAGE = "ghcr.io/bytespike/bytespike-exporter"

WAYS = {
    Way.SIDECAR: f"your application sends its requests through the exporter (base URL http://{SIDECAR})",
    Way.FILES: "something writes their ids into files",
    Way.API: "your application registers each (in Python by one line)",
}
DEPLOYS = {
    Deploy.NONE: "this machine, as it is",
    Deploy.COMPOSE: "Docker Compose: also write compose.yaml",
    Deploy.KUBERNETES: "Kubernetes: also write kubernetes.yaml",
}

Choice = TypeVar("Choice", bound=StrEnum)


def variable(text: str) -> str:
    """The name of an environment variable. Whatever else it is may be a key: so it is not repeated."""
    if not re.fullmatch("[A-Za-z_][A-Za-z0-9_]{0,99}", text):
        raise ValueError("expected the name of a variable, such as BYTESPIKE_API_KEY, and never the key itself")
    return text


def key_path(text: str) -> str:
    """A path, likewise."""
    if not text or is_key(text):
        raise ValueError("expected the path of a file that has the key, and never the key itself")
    return text


@click.command("init")
@click.argument("directory", type=click.Path(path_type=Path, file_okay=False), default=Path())
@click.option("--way", type=click.Choice([way.value for way in Way]), help="How tasks come in.  [default: sidecar]")
@click.option(
    "--deploy", type=click.Choice([kind.value for kind in Deploy]), help="What runs the exporter.  [default: none]"
)
@click.option(
    "--api-key-env", type=Parsed("name", variable), help="The variable with the key.  [default: BYTESPIKE_API_KEY]"
)
@click.option("--api-key-file", type=Parsed("path", key_path), help="The file with the key, seen from DIRECTORY.")
@click.option("--base-url", default=Choices().base_url, show_default=True, help="The API.")
@click.option("--group", default=Choices().group, show_default=True, help="The name of the task group.")
@click.option("--model", help="The model of tasks for which nobody says one.")
@click.option("--image", help="The exporter's image, for Compose and Kubernetes.  [default: the released one]")
@click.option("--force", is_flag=True, help="Write over files that are there already.")
@click.option("--dry-run", is_flag=True, help="Print the files, and write none.")
def command(
    *,
    directory: Path,
    way: str | None,
    deploy: str | None,
    api_key_env: str | None,
    api_key_file: str | None,
    base_url: str,
    group: str,
    model: str | None,
    image: str | None,
    force: bool,
    dry_run: bool,
) -> None:
    """Write a first configuration into DIRECTORY (here): exporter.yml, prometheus.yml with the scrape job, and what
    runs the exporter, if asked.

    On a terminal it asks for what no flag says. The key itself is never asked for, nor written.

    Exit codes: 0 the files are written, 1 a value cannot be, 2 the command line is wrong, 3 a file is there already or
    cannot be written.
    """
    if api_key_env is not None and api_key_file is not None:
        raise click.UsageError("either --api-key-env or --api-key-file")
    chosen_way = Way(way) if way else _asked("How do tasks come in?", WAYS)
    chosen_deploy = Deploy(deploy) if deploy else _asked("What runs the exporter?", DEPLOYS)
    choices = Choices(
        way=chosen_way,
        deploy=chosen_deploy,
        api_key_env=api_key_env or _asked_variable(wanted=api_key_file is None and deploy != Deploy.KUBERNETES),
        api_key_file=api_key_file,
        base_url=base_url,
        group=group,
        model=model,
        image=image or _released_image(),
    )
    files = rendered(choices)
    parse(files[0].text, file=CONFIG, base=directory, environ=os.environ)
    if any(is_key(file.text) for file in files):
        raise click.UsageError("one of the values is an API key, which is never written into these files")
    if dry_run:
        _print(files)
    else:
        for path in write(files, directory, force=force):
            click.echo(f"wrote {path}", err=True)
        _say_how_to_go_on(choices, directory)


def _released_image() -> str:
    """The image of this version; where that is not known, the newest."""
    known = version.version()
    return f"{IMAGE}:v{known}" if known != version.UNKNOWN else IMAGE


# ---- questions -------------------------------------------------------------------------------------------------------


def _is_terminal() -> bool:
    return sys.stdin is not None and sys.stdin.isatty()


def _asked(question: str, offered: dict[Choice, str]) -> Choice:
    """The answer, or the first of what is offered where nobody can be asked."""
    first = next(iter(offered))
    if not _is_terminal():
        return first
    click.echo(question, err=True)
    for choice, meaning in offered.items():
        click.echo(f"  {choice:<10} {meaning}", err=True)
    names = click.Choice([choice.value for choice in offered])
    answer = click.prompt("Which one", type=names, default=first.value, show_choices=False, err=True)
    return type(first)(answer)


def _asked_variable(*, wanted: bool) -> str:
    default = Choices().api_key_env
    if not wanted or not _is_terminal():
        return default
    question = "Which environment variable has the API key? Its name, not the key"
    return str(click.prompt(question, type=Parsed("name", variable), default=default, err=True))


# ---- what is said ----------------------------------------------------------------------------------------------------


def _print(files: list[File]) -> None:
    for file in files:
        click.echo(f"# ==> {file.path}\n{file.text}", nl=False)


def _say_how_to_go_on(choices: Choices, directory: Path) -> None:
    for line in _next(choices, directory):
        click.echo(line)


def _next(choices: Choices, directory: Path) -> Iterator[str]:
    """What is needed first, then the next two commands, then what the application has to do."""
    yield ""
    yield from _needed(choices)
    yield "Then:"
    if directory != Path():
        yield f"  cd {shlex.quote(str(directory))}"
    yield from (f"  {each}" for each in _commands(choices))
    yield ""
    match choices.way:
        case Way.SIDECAR:
            yield f"Your application's base URL is now http://{SIDECAR}. Nothing else changes: docs/sidecar.md."
        case Way.FILES:
            yield "Name your tasks in tasks/tasks.yml: docs/discovery.md."
        case Way.API:
            yield "Register each task at POST /api/v1/tasks, from Python by one line: docs/client.md, docs/api.md."


def _needed(choices: Choices) -> Iterator[str]:
    if choices.deploy is Deploy.KUBERNETES:
        yield "Put the key into a file api_key" + (", a token into a file token." if choices.needs_token else ".")
        return
    if choices.api_key_file is not None:
        yield f"Put the key into {choices.api_key_file}."
    else:
        yield f"Put the key into the environment variable {choices.api_key_env}."
    if choices.needs_token:
        yield "Make the token for those who register tasks: openssl rand -hex 32 > token"


def _commands(choices: Choices) -> tuple[str, str]:
    match choices.deploy:
        case Deploy.COMPOSE:
            return "docker compose up --detach --wait", "docker compose logs exporter"
        case Deploy.KUBERNETES:
            files = "--from-file=api_key" + (" --from-file=token" if choices.needs_token else "")
            return f"kubectl create secret generic bytespike-api-key {files}", "kubectl apply -f kubernetes.yaml"
        case _:
            return f"bytespike-exporter check-config {CONFIG}", f"bytespike-exporter --config.file={CONFIG}"
