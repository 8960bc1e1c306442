"""When each alert fires in a situation, how often, and until when: asked of the real promtool.

promtool asserts, it does not print. So it is told that nothing is expected, and says what it got instead.
"""

import json
import re
import subprocess
import tempfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from monitoring.reaction.record import Record
from monitoring.reaction.rules import ALWAYS, Groups
from monitoring.reaction.situations import Situation
from monitoring.reaction.tasks import MINUTE

_ALERTS: Final = f'ALERTS{{alertstate="firing", alertname!="{ALWAYS}"}}'
FIRING: Final = f"max by (alertname) ({_ALERTS})"

_GOT = re.compile(r'\{alertname="(\w+)"\} ([0-9.E+-]+)')


@dataclass(frozen=True, slots=True, order=True)
class Reaction:
    """What one alert does; in minutes after the cause. ``until`` is its last minute, None where it goes on."""

    after: int
    times: int
    until: int | None


def measured(promtool: str | Path, situation: Situation, record: Record, groups: Groups) -> Mapping[str, Reaction]:
    """The reactions of all alerts among the groups, by name; a quiet one is not among them."""
    end, cause = round(situation.ends / MINUTE), round(situation.cause / MINUTE)
    step = f"{situation.step}m"
    window = f"[{(end - cause) * 60 - 30}s:{step}]"  # what is after the cause, be it open or closed on the left
    before = f"max by (alertname) ({_ALERTS} offset {step})"
    expressions = {
        "first": f"min_over_time(timestamp({FIRING}){window})",
        "last": f"max_over_time(timestamp({FIRING}){window})",
        "times": f"sum_over_time(({FIRING} unless {before}){window})",
    }
    document = {
        "rule_files": ["rules.yml"],
        "evaluation_interval": step,
        "group_eval_order": [group["name"] for group in groups],
        "tests": [
            {
                "interval": "1m",
                "input_series": list(record.series()),
                "promql_expr_test": [
                    {"expr": expr, "eval_time": f"{end}m", "exp_samples": []} for expr in expressions.values()
                ],
            }
        ],
    }
    got = _got(_said(promtool, document, groups), expressions)
    return {
        alert: Reaction(
            round(first / MINUTE) - cause,
            round(got["times"].get(alert, 1)),
            None if got["last"][alert] >= end * MINUTE else round(got["last"][alert] / MINUTE) - cause + situation.step,
        )
        for alert, first in sorted(got["first"].items())
    }


def _said(promtool: str | Path, document: Mapping[str, object], groups: Groups) -> str:
    with tempfile.TemporaryDirectory() as directory:
        # JSON is YAML, and much faster to write
        Path(directory, "rules.yml").write_text(json.dumps({"groups": groups}), encoding="utf-8")
        file = Path(directory, "test.yml")
        file.write_text(json.dumps(document), encoding="utf-8")
        command = [str(promtool), "test", "rules", str(file)]
        done = subprocess.run(command, capture_output=True, text=True, check=False)  # noqa: S603 - promtool, as found
    said = done.stdout + done.stderr
    if done.returncode != 0 and "got:" not in said:
        raise RuntimeError(f"promtool cannot measure: {said}")
    return said


def _got(said: str, expressions: Mapping[str, str]) -> Mapping[str, Mapping[str, float]]:
    blocks = [block.replace('\\"', '"') for block in said.split("expr:")]
    return {name: dict(_values(blocks, expr)) for name, expr in expressions.items()}


def _values(blocks: list[str], expr: str) -> Iterator[tuple[str, float]]:
    for block in blocks:
        if expr in block:
            yield from ((name, float(value)) for name, value in _GOT.findall(block.partition("got:")[2]))
