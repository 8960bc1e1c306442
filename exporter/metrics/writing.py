"""One family as the lines of a page, byte for byte as the client library writes it, without an object for each sample.

A series' labels are put into a template that is made once a family; what the library checks and sorts for each sample
is the same for all of them.
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass

from prometheus_client.metrics_core import Metric
from prometheus_client.samples import Exemplar
from prometheus_client.utils import floatToGoString

number: Callable[[float], str] = floatToGoString
"""A number as both formats have it."""


@dataclass(frozen=True, slots=True)
class Heading:
    """What stands above the samples of a family: its name in the format, its type there, its unit where it is said."""

    name: str
    type: str
    help: str
    unit: str = ""

    def lines(self) -> str:
        """The comment lines."""
        unit = f"# UNIT {self.name} {self.unit}\n" if self.unit else ""
        return f"# HELP {self.name} {self.help}\n# TYPE {self.name} {self.type}\n{unit}"


def text_heading(metric: Metric) -> Heading:
    """That of the text format, which knows neither info nor unit, and names a counter by its sample."""
    told = metric.documentation.replace("\\", r"\\").replace("\n", r"\n")
    match metric.type:
        case "counter":
            return Heading(f"{metric.name}_total", "counter", told)
        case "info":
            return Heading(f"{metric.name}_info", "gauge", told)
        case kind:
            return Heading(metric.name, kind, told)


def openmetrics_heading(metric: Metric) -> Heading:
    """That of OpenMetrics."""
    return Heading(metric.name, metric.type, escaped(metric.documentation), metric.unit)


def escaped(value: str) -> str:
    """A label value as it stands between quotes."""
    return value.replace("\\", r"\\").replace("\n", r"\n").replace('"', r"\"")


def prefix(name: str, labels: tuple[str, ...]) -> Callable[[tuple[str, ...]], str]:
    """What makes, of the values of these labels, all of a line that stands before its number."""
    if not labels:
        return lambda _: f"{name} "
    order = sorted(range(len(labels)), key=labels.__getitem__)
    template = name + "{" + ",".join(f'{labels[index]}="%s"' for index in order) + "} "
    return lambda values: template % tuple([escaped(values[index]) for index in order])


def template(name: str, labels: Iterable[str], known: Mapping[str, str]) -> str:
    """All of a line that stands before its number, with ``%s`` for each label not known, in the order of the page."""
    return name + "{" + ",".join(f'{label}="{_known(known.get(label))}"' for label in sorted(labels)) + "} "


def _known(value: str | None) -> str:
    return "%s" if value is None else escaped(value).replace("%", "%%")


def line(before: str, value: float, exemplar: Exemplar | None = None) -> str:
    """One sample."""
    return f"{before}{number(value)}{_told(exemplar) if exemplar else ''}\n"


def _told(exemplar: Exemplar) -> str:
    labels = ",".join(f'{name}="{escaped(value)}"' for name, value in sorted(exemplar.labels.items()))
    at = "" if exemplar.timestamp is None else f" {exemplar.timestamp}"
    return f" # {{{labels}}} {number(exemplar.value)}{at}"
