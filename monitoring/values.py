"""Other thresholds, from a file: ``python -m monitoring.alerting --values values.yml`` prints the rules with them.

The file is YAML, a name and its value a line, such as ``objective: 0.99`` or ``stuck: 6h``; whatever it does not name
stays as it is. The names are the fields of ``monitoring.thresholds.Thresholds``.
"""

import argparse
from collections.abc import Mapping, Sequence
from dataclasses import fields, replace
from pathlib import Path
from typing import Any

import yaml

from monitoring.durations import seconds
from monitoring.thresholds import DEFAULTS, Thresholds

NAMES = tuple(field.name for field in fields(Thresholds))
TEXTS = ("job", "grafana", "exporter")
SHARES = (
    "objective",
    "spike_ratio",
    "code_ratio",
    "overdue_ratio",
    "running_out_share",
    "nearly_out_share",
    "bucket_ratio",
    "down_ratio",
    "concurrency_ratio",
    "submissions_ratio",
    "unanswered_ratio",
)
BURNS = tuple(name for name in NAMES if name.endswith("_burn"))


class ValuesError(ValueError):
    """A file of values that cannot be taken, and why."""


def read(path: Path) -> Thresholds:
    """The thresholds of a file; raises ValuesError, which says what is wrong and what is allowed."""
    try:
        values = yaml.safe_load(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise ValuesError(f"{path}: {error.strerror}") from None
    except yaml.YAMLError as error:
        raise ValuesError(f"{path}: not YAML: {error}") from None
    if values is None:
        return DEFAULTS
    if not isinstance(values, dict):
        raise ValuesError(f"{path}: names and values are wanted, such as objective: 0.99")
    return taken(values)


def taken(values: Mapping[Any, Any]) -> Thresholds:
    """The defaults with these values in their place; raises ValuesError."""
    for name, value in values.items():
        _check(name, value)
    chosen = replace(DEFAULTS, **values)
    _check_burns(chosen)
    return chosen


def asked(arguments: Sequence[str], *, program: str) -> Thresholds:
    """What the command line of a printing module asks for; ends the process where that cannot be had."""
    parser = argparse.ArgumentParser(prog=f"python -m {program}")
    parser.add_argument("--values", metavar="FILE", type=Path, help="YAML with other thresholds than the usual ones")
    path = parser.parse_args(arguments).values
    try:
        return read(path) if path else DEFAULTS
    except ValuesError as error:
        parser.error(str(error))


def _check(name: object, value: object) -> None:
    if name not in NAMES:
        raise ValuesError(f"there is no {name}: it may be {', '.join(NAMES)}")
    usual = getattr(DEFAULTS, str(name))
    if name in TEXTS:
        fits, wanted = _is_text(value) and (value or name != "job"), "a text without quotes, backslashes and line ends"
    elif isinstance(usual, str):
        fits, wanted = _is_duration(value), f"a duration such as {usual}"
    else:
        limit = 1 if name in SHARES else float("inf")
        fits, wanted = _is_number(value) and 0 < value < limit, f"a number such as {usual:g}"  # type: ignore[operator] # it is one
        wanted += " (a share, less than 1)" if name in SHARES else ""
    if not fits:
        raise ValuesError(f"{name}: {value!r} is not {wanted}")


def _check_burns(chosen: Thresholds) -> None:
    """More tasks than all cannot fail: a rule that waits for that would never fire."""
    for name in BURNS:
        burn = getattr(chosen, name)
        if burn * chosen.error_budget >= 1:
            most = 1 / chosen.error_budget
            raise ValuesError(
                f"{name}: with objective {chosen.objective:g} no burn reaches {burn:g}: give less than {most:.3g}"
            )


def _is_text(value: object) -> bool:
    return isinstance(value, str) and value.isprintable() and not any(it in value for it in ('"', "\\", "{{"))


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _is_duration(value: object) -> bool:
    try:
        return isinstance(value, str) and seconds(value) > 0
    except ValueError:
        return False
