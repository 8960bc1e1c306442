"""Made-up series for promtool, with exactly the labels that the exporter gives them. A value stands for each minute."""

from exporter.metrics.catalogue import BY_NAME
from exporter.metrics.family import Family, Histogram, Scope

OWN = {"job": "bytespike-exporter", "instance": "exporter:9877"}
KNOWN = {
    Scope.TASKS: {"account": "default", "group": "renders", "model": "sora-2-pro", "team": "video"},
    Scope.ACCOUNT: {"account": "default"},
    Scope.SOURCE: {"group": "renders", "mechanism": "file_sd"},
    Scope.PROXIED: {"account": "default"},
    Scope.EXPORTER: {},
}

Series = dict[str, str]


def steady(*phases: tuple[int, float]) -> str:
    """A gauge: so many minutes each at one value."""
    return " ".join(f"{value:g}+0x{minutes - 1}" for minutes, value in phases)


def counted(*phases: tuple[int, float]) -> str:
    """A counter from 0: so many minutes each with one increase a minute."""
    text, total = ["0"], 0.0
    for minutes, step in phases:
        text.append(f"{total + step:g}+{step:g}x{minutes - 1}")
        total += step * minutes
    return " ".join(text)


def series(name: str, values: str, **labels: str) -> Series:
    """One series of the exporter; those labels that are not given are the usual ones."""
    family = _family(name)
    known = {**KNOWN[family.scope], **labels}
    user = ("team",) if family.scope is Scope.TASKS else ()
    wanted = {*family.label_names(user)} | ({"le"} if isinstance(family, Histogram) else set())
    assert set(known) - OWN.keys() | {"le"} == wanted | {"le"}, f"{name} has the labels {sorted(wanted)}"
    return raw(name, values, **known)


def histogram(name: str, counts: dict[str, str], **labels: str) -> Series:
    """The buckets of a histogram by upper bound, cumulated, and its count."""
    found = {"count": series(f"{name}_count", counts["+Inf"], **labels)}
    buckets = [series(f"{name}_bucket", values, le=bound, **labels) for bound, values in counts.items()]
    return together(found["count"], *buckets)


def raw(name: str, values: str, **labels: str) -> Series:
    """One series of any name."""
    text = ", ".join(f'{label}="{value}"' for label, value in {**OWN, **labels}.items())
    return {f"{name}{{{text}}}": values}


def together(*parts: Series) -> Series:
    """All of them; none may hide another."""
    found: Series = {}
    for part in parts:
        assert not found.keys() & part.keys()
        found |= part
    return found


def finished(**values: str) -> Series:
    """The outcomes, by status; those that are not given stay 0."""
    every = {status: steady((2000, 0)) for status in ("completed", "failed", "cancelled", "not_found")}
    parts = (series("bytespike_tasks_finished_total", text, status=name) for name, text in {**every, **values}.items())
    return together(*parts)


def _family(name: str) -> Family:
    for suffix in ("", "_bucket", "_sum", "_count"):
        base = name.removesuffix(suffix) if suffix else name
        if base in BY_NAME and name.endswith(suffix):
            return BY_NAME[base]
    raise AssertionError(f"the exporter has no {name}")
