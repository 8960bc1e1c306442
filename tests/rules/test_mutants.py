"""The tables in cases/ would notice a rule that is wrong: one without its wait, with a clause less, or turned round.

One version of promtool is enough to say that: the tables themselves are held against each. Each mutant
lives through every case of its alert, which is minutes of work in all: it is for the long run.
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest

from tests.rules import promtool
from tests.rules.case import Case
from tests.rules.cases.table import CASES

pytestmark = pytest.mark.long

CLAUSE = re.compile(r"\n( *)(?:and|or|unless) (?:.*\((?:\n.+)*?\n\1\).*|.*(?:\n\1 +.*)*)")
"""One ``and``, ``or`` or ``unless`` with its right side: up to its closing parenthesis, or all that is further in."""

COMPARISON = re.compile(r"(?<= )(>=|<=|==|>|<)(?= )")
OPPOSITE = {">=": "<", ">": "<=", "<=": ">", "<": ">=", "==": "!="}


def mutants(rule: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    """Wrong versions of a rule, each a rule still."""
    expr = rule["expr"]
    yield {name: value for name, value in rule.items() if name != "for"}
    for start in (found.start() for found in re.finditer("\n", expr)):
        if clause := CLAUSE.match(expr, start):
            yield {**rule, "expr": expr[:start] + expr[clause.end() :]}
    if COMPARISON.search(expr):
        yield {**rule, "expr": COMPARISON.sub(lambda found: OPPOSITE[found[0]], expr, count=1)}


def together(tests: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """Tests of the same series as one, so that promtool computes them once."""
    kinds = ("alert_rule_test", "promql_expr_test")
    return {**tests[0], **{kind: [one for test in tests for one in test.get(kind, [])] for kind in kinds}}


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.alert)
def test_a_wrong_rule_is_noticed(case: Case, tmp_path: Path) -> None:
    groups = promtool.needed(case.alert)
    (rule,) = (rule for group in groups for rule in group["rules"] if "alert" in rule)
    wrong = {f"Mutant{number}": mutant for number, mutant in enumerate(mutants(rule))}
    records = [group for group in groups if rule not in group["rules"]]
    alerts = {"name": "mutants", "rules": [{**mutant, "alert": name} for name, mutant in wrong.items()]}
    tests = [
        *(
            together([promtool.fires(case.alert, one, named=name) for name in wrong])
            for one in (case.fires, *case.also)
        ),
        together([promtool.clears(case.alert, case.clears, named=name) for name in wrong]),
        *(together([promtool.quiet(case.alert, quiet, named=name) for name in wrong]) for quiet in case.quiet),
    ]
    with pytest.raises(AssertionError) as found:
        promtool.check(tmp_path, [*records, alerts], tests)
    assert "could not parse" not in str(found.value)
    unnoticed = [mutant for name, mutant in wrong.items() if not re.search(rf"\b{name}\b", str(found.value))]
    assert unnoticed == []
