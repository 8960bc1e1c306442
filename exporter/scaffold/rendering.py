"""From choices to the text of each file, by the templates beside this one. Pure."""

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass

import yaml
from jinja2 import Environment, PackageLoader, StrictUndefined

from exporter.scaffold.choices import SIDECAR, Choices, Deploy, Way

CONFIG = "exporter.yml"

_PLAIN = re.compile(r"[A-Za-z/][A-Za-z0-9_./:@-]*")


@dataclass(frozen=True, slots=True)
class File:
    """A file by its path within the directory."""

    path: str
    text: str


def rendered(choices: Choices) -> list[File]:
    """Every file, the configuration first."""
    environment = Environment(
        loader=PackageLoader("exporter.scaffold"),
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
        autoescape=False,  # noqa: S701 - it is YAML: each value goes through a filter of its own
    )
    environment.filters |= {"scalar": scalar, "literal": literal}
    environment.globals.update(choices=choices, sidecar=SIDECAR, Way=Way, Deploy=Deploy)
    files: list[File] = []
    for name in _names(choices):
        written = {file.path: file.text for file in files}
        text = environment.get_template(f"{name.rpartition('/')[2]}.j2").render(files=written)
        files.append(File(name, text))
    return files


def scalar(text: str) -> str:
    """A text as YAML has it: as it is, where it can be mistaken for nothing else, or in quotes."""
    if _PLAIN.fullmatch(text) and not text.endswith(":") and yaml.safe_load(text) == text:
        return text
    return json.dumps(text, ensure_ascii=False)


def literal(text: str) -> str:
    """As Compose has to have it, so that it looks for no variable in it."""
    return text.replace("$", "$$")


def _names(choices: Choices) -> Iterator[str]:
    yield CONFIG
    if choices.way is Way.FILES:
        yield "tasks/tasks.yml"
    yield "prometheus.yml"
    if choices.deploy is Deploy.COMPOSE:
        yield "compose.yaml"
    if choices.deploy is Deploy.KUBERNETES:
        yield "kubernetes.yaml"
