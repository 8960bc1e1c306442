"""Rule groups as the YAML that Prometheus reads."""

from collections.abc import Iterable, Mapping
from typing import Any

import yaml

from monitoring.durations import faster, printed
from monitoring.rule import NOWHERE, Alert, Group, Record, Sites

WIDTH = 10_000
"""No line is folded: a description reads as it will be shown."""

LINT = "# yamllint disable rule:line-length\n"


def document(groups: Iterable[Group], *, header: str = "", speed: float = 1, sites: Sites = NOWHERE) -> str:
    """The file's text. ``speed`` divides every duration in it and changes nothing else; names stay as they are.

    ``sites`` are what links begin with.
    """
    return dumped(tree(groups, speed=speed, sites=sites), header=header)


def dumped(values: Mapping[str, Any], *, header: str = "") -> str:
    """Plain values as YAML for people, below a header that says where it is from."""
    body = yaml.dump(values, Dumper=_Dumper, sort_keys=False, allow_unicode=True, width=WIDTH)
    return f"# {header}\n{LINT}{body}" if header else body


def tree(groups: Iterable[Group], *, speed: float = 1, sites: Sites = NOWHERE) -> dict[str, Any]:
    """The same as plain values."""
    return {"groups": [_group(group, speed, sites) for group in groups]}


def _group(group: Group, speed: float, sites: Sites) -> dict[str, Any]:
    interval = {"interval": faster(group.interval, speed)} if group.interval else {}
    return {"name": group.name, **interval, "rules": [_rule(rule, speed, sites) for rule in group.rules]}


def _rule(rule: Record | Alert, speed: float, sites: Sites) -> dict[str, Any]:
    if isinstance(rule, Record):
        return {"record": rule.name, "expr": printed(rule.expr, speed=speed)}
    return {
        "alert": rule.name,
        "expr": printed(rule.expr, speed=speed),
        **_durations({"for": rule.wait, "keep_firing_for": rule.keep}, speed),
        "labels": {"severity": str(rule.severity)},
        "annotations": dict(rule.annotations(sites)),
    }


def _durations(fields: Mapping[str, str], speed: float) -> dict[str, str]:
    return {name: faster(value, speed) for name, value in fields.items() if value}


class _Dumper(yaml.SafeDumper):
    """Indents lists, and writes text of several lines as a block."""

    def increase_indent(self, flow: bool = False, indentless: bool = False) -> None:  # noqa: ARG002, FBT001, FBT002 - as PyYAML has it
        super().increase_indent(flow=flow, indentless=False)


def _text(dumper: yaml.SafeDumper, text: str) -> yaml.ScalarNode:
    return dumper.represent_scalar("tag:yaml.org,2002:str", text, style="|" if "\n" in text else None)


_Dumper.add_representer(str, _text)
