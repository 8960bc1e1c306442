"""PromQL held against what the exporter exports: types, names, labels, and the mistakes that give no error anywhere.

``check`` is the one entry: it returns the labels that a result can carry, or raises ``PromQLError``. Labels are
followed through the whole expression, so that a misspelt ``by (acount)``, a join that can never match and a legend that
names a label which the aggregation has dropped are all found without a server.
"""

import re

import promql_parser as ql

from tests.support.vocabulary import Vocabulary

Labels = frozenset[str]
NONE: Labels = frozenset()

FOR_COUNTERS = frozenset({"rate", "irate", "increase", "resets"})
AS_THEY_ARE = frozenset({"absent", "absent_over_time", "timestamp", "present_over_time", "count_over_time"})
"""Functions that do not look at the values, so that a counter may be given to them."""

KEEP_LABELS = frozenset({"topk", "bottomk", "limitk", "limit_ratio"})
SET_OPERATORS = frozenset({"and", "or", "unless"})


class PromQLError(ValueError):
    """An expression that is wrong, or that cannot give what it seems to ask for."""


def check(expr: str, vocabulary: Vocabulary) -> Labels:
    """The labels that the expression's result can have; raises PromQLError."""
    return _Checker(vocabulary).labels(parse(expr))


def parse(expr: str) -> ql.Expr:
    """The expression's tree, its types checked; raises PromQLError."""
    try:
        tree = ql.parse(expr)
    except ValueError as error:
        raise PromQLError(f"{error}: {expr}") from None
    return tree


def names(expr: str) -> set[str]:
    """The names of all series that the expression reads."""
    return {selector.name or "" for selector in selectors(expr)}


def selectors(expr: str) -> list[ql.VectorSelector]:
    """Every selector in it, ranges too."""
    found: list[ql.VectorSelector] = []

    def visit(node: ql.Expr) -> bool:
        if isinstance(node, ql.VectorSelector):
            found.append(node)
        return True

    ql.walk(parse(expr), visit)
    return found


class _Checker:
    """Follows the labels from the selectors up. ``function`` is the call that a selector stands in directly."""

    def __init__(self, vocabulary: Vocabulary) -> None:
        self._vocabulary = vocabulary

    def labels(self, node: ql.Expr, *, function: str = "") -> Labels:
        match node:
            case ql.VectorSelector():
                return self._selector(node, function=function, ranged=False)
            case ql.MatrixSelector():
                return self._selector(node.vector_selector, function=function, ranged=True)
            case ql.SubqueryExpr() | ql.ParenExpr() | ql.UnaryExpr():
                return self.labels(node.expr)
            case ql.Call():
                return self._call(node)
            case ql.AggregateExpr():
                return self._aggregate(node)
            case ql.BinaryExpr():
                return self._binary(node)
        return NONE

    def _selector(self, node: ql.VectorSelector, *, function: str, ranged: bool) -> Labels:
        series = self._vocabulary.series.get(node.name or "")
        if series is None:
            raise PromQLError(f"nothing exports {node}")
        for matcher in node.matchers.matchers:
            _demand({matcher.name}, series.labels, f"the matchers of {node}")
            _regexp(matcher)
        self._kind(node, is_counter=series.is_counter, function=function, ranged=ranged)
        return series.labels

    def _kind(self, node: ql.VectorSelector, *, is_counter: bool, function: str, ranged: bool) -> None:
        if is_counter and not (function in AS_THEY_ARE or (ranged and function in FOR_COUNTERS)):
            raise PromQLError(f"{node} is a counter: take its rate or increase")
        if not is_counter and function in FOR_COUNTERS:
            raise PromQLError(f"{node} is a gauge: {function} takes counters")

    def _call(self, node: ql.Call) -> Labels:
        name = node.func.name
        if name in FOR_COUNTERS and not isinstance(node.args[0], ql.MatrixSelector):
            raise PromQLError(f"{name} of something computed does not see resets: {node.prettify()}")
        inner = NONE.union(*(self.labels(argument, function=name) for argument in node.args))
        return _after_call(node, inner)

    def _aggregate(self, node: ql.AggregateExpr) -> Labels:
        inner = self.labels(node.expr)
        kept = NONE
        if node.modifier is not None:
            listed = frozenset(node.modifier.labels)
            _demand(listed, inner, f"the grouping of {node.prettify()}")
            kept = listed if node.modifier.type == ql.AggModifierType.By else inner - listed
        operator = str(node.op)
        if operator == "count_values" and node.param is not None:
            return kept | {_text(node.param)}
        return inner if operator in KEEP_LABELS else kept

    def _binary(self, node: ql.BinaryExpr) -> Labels:
        left, right = self.labels(node.lhs), self.labels(node.rhs)
        if _is_scalar(node.lhs) or _is_scalar(node.rhs):
            return left | right
        matched = _matched(node, left, right)
        operator = str(node.op)
        if operator in SET_OPERATORS:
            return left | right if operator == "or" else left
        return _joined(node, left, right, matched)


def _after_call(node: ql.Call, inner: Labels) -> Labels:
    match node.func.name:
        case "histogram_quantile":
            _demand({"le"}, inner, node.prettify())
            return inner - {"le"}
        case "label_replace":
            _demand({_text(node.args[3])}, inner, node.prettify())
            return inner | {_text(node.args[1])}
        case "label_join":
            _demand({_text(argument) for argument in node.args[3:]}, inner, node.prettify())
            return inner | {_text(node.args[1])}
        case "absent" | "absent_over_time":
            return _equalities(node.args[0])
        case "scalar":
            return NONE
    return inner


def _matched(node: ql.BinaryExpr, left: Labels, right: Labels) -> Labels:
    """The labels that two series must share to meet; raises where no two series ever could."""
    matching = node.modifier.matching if node.modifier is not None else None
    listed = frozenset(matching.labels) if matching is not None else NONE
    if matching is not None and matching.type == ql.LabelModifierType.Include:
        _demand(listed, left, f"the left of {node.prettify()}")
        _demand(listed, right, f"the right of {node.prettify()}")
        return listed
    _demand(listed, left | right, f"ignoring in {node.prettify()}")
    if str(node.op) != "or" and left - listed != right - listed:
        difference = ", ".join(sorted((left ^ right) - listed))
        raise PromQLError(f"the sides differ in {difference} and cannot match: {node.prettify()}")
    return left - listed


def _joined(node: ql.BinaryExpr, left: Labels, right: Labels, matched: Labels) -> Labels:
    many = node.modifier.card if node.modifier is not None else ql.VectorMatchCardinality.OneToOne
    included = frozenset(node.modifier.group_labels or ()) if node.modifier is not None else NONE
    if many == ql.VectorMatchCardinality.ManyToOne:
        _demand(included, right, f"group_left in {node.prettify()}")
        return left | included
    if many == ql.VectorMatchCardinality.OneToMany:
        _demand(included, left, f"group_right in {node.prettify()}")
        return right | included
    return matched


def _demand(wanted: frozenset[str] | set[str], there: Labels, where: str) -> None:
    missing = sorted(wanted - there)
    if missing:
        raise PromQLError(f"no label {', '.join(missing)} in {where}")


def _regexp(matcher: ql.Matcher) -> None:
    """Anchors are there already, and a plain word needs no regular expression."""
    if matcher.op not in (ql.MatchOp.Re, ql.MatchOp.NotRe):
        return
    if matcher.value.startswith("^") or matcher.value.endswith("$"):
        raise PromQLError(f"{matcher}: regular expressions are anchored already")
    if re.fullmatch(r"\w*", matcher.value):
        raise PromQLError(f"{matcher}: = says the same")


def _equalities(node: ql.Expr) -> Labels:
    """What absent knows of the series that are not there."""
    selector = node.vector_selector if isinstance(node, ql.MatrixSelector) else node
    if not isinstance(selector, ql.VectorSelector):
        return NONE
    return frozenset(matcher.name for matcher in selector.matchers.matchers if matcher.op == ql.MatchOp.Equal)


def _is_scalar(node: ql.Expr) -> bool:
    match node:
        case ql.NumberLiteral():
            return True
        case ql.ParenExpr() | ql.UnaryExpr():
            return _is_scalar(node.expr)
        case ql.BinaryExpr():
            return _is_scalar(node.lhs) and _is_scalar(node.rhs)
        case ql.Call():
            return bool(node.func.return_type == ql.ValueType.Scalar)
    return False


def _text(node: ql.Expr) -> str:
    if not isinstance(node, ql.StringLiteral):
        raise PromQLError(f"a text is wanted, not {node.prettify()}")
    return node.val
