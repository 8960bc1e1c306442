"""Queries as the dashboards write them: plain PromQL, whose selectors are narrowed to the dashboard's variables."""

import re
from collections.abc import Collection
from dataclasses import dataclass

from exporter.metrics.catalogue import BY_NAME
from exporter.metrics.family import Scope

ALWAYS = ("job", "instance")
"""The variables that every dashboard has and every series answers to."""

VARIABLES_OF_SCOPE = {
    Scope.TASKS: ("account", "group", "model"),
    Scope.TASK: ("account", "group", "model", "task_id"),
    Scope.ACCOUNT: ("account",),
    Scope.SOURCE: ("group",),
    Scope.PROXIED: ("account",),
    Scope.EXPORTER: (),
}

SELECTOR = re.compile(r"\b(?P<name>up|(?:bytespike|process|scrape)_\w+)\b(?:\{(?P<matchers>[^}]*)\})?")
HISTOGRAM_SAMPLE = re.compile(r"_(bucket|sum|count)$")


@dataclass(frozen=True, slots=True)
class Query:
    """One query of a panel. ``legend`` may name labels as ``{{label}}``; ``name`` is its column in a table."""

    expr: str
    legend: str = ""
    exemplars: bool = False
    name: str = ""


def narrowed(expr: str, variables: Collection[str]) -> str:
    """Let each selector follow those of the dashboard's variables that its series have as labels."""

    def narrow(found: re.Match[str]) -> str:
        names = (*ALWAYS, *(name for name in _variables_of(found["name"]) if name in variables))
        matchers = [f'{name}=~"${name}"' for name in names]
        own = [found["matchers"]] if found["matchers"] else []
        return f"{found['name']}{{{', '.join([*own, *matchers])}}}"

    return SELECTOR.sub(narrow, expr)


def _variables_of(name: str) -> tuple[str, ...]:
    family = BY_NAME.get(name) or BY_NAME.get(HISTOGRAM_SAMPLE.sub("", name))
    return VARIABLES_OF_SCOPE[family.scope] if family is not None else ()
