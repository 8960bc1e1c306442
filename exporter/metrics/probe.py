"""The page of one probe: whether it succeeded, how long it took, and the families of the one task it asked about."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from prometheus_client.metrics_core import GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from exporter.metrics.catalogue import FAMILIES
from exporter.metrics.exposition import Rendered, render
from exporter.metrics.families import task
from exporter.metrics.family import Scope
from exporter.metrics.snapshot import BuildView, Snapshot
from exporter.tasks.census import Census
from exporter.tasks.item import TaskLabels
from exporter.tasks.state import TaskState

SUCCESS, DURATION = "probe_success", "probe_duration_seconds"


@dataclass(frozen=True, slots=True)
class Probed:
    """What a probe found: ``state`` is None where no answer came; ``seconds`` is how long it took in all.

    ``has_age`` is false where nobody knows when the task was submitted: a first sight by a probe tells nothing of it.
    """

    success: bool
    seconds: float
    labels: TaskLabels
    state: TaskState | None = None
    has_age: bool = False


def render_probe(
    probed: Probed, *, at: float, label_names: Sequence[str], accept: str, accept_encoding: str
) -> Rendered:
    """The page, in the format and encoding that the headers ask for; ``at`` is Unix seconds."""
    return render(
        _snapshot(probed, at, tuple(label_names)),
        accept=accept,
        accept_encoding=accept_encoding,
        names=[SUCCESS, DURATION, *_families(probed)],
        collectors=[_ProbeCollector(probed)],
    )


def _families(probed: Probed) -> Iterator[str]:
    for family in FAMILIES:
        if family.scope is Scope.TASK and (family is not task.ELAPSED or probed.has_age):
            yield family.name


def _snapshot(probed: Probed, at: float, label_names: tuple[str, ...]) -> Snapshot:
    listed = ((probed.labels, probed.state),) if probed.state is not None else ()
    census = Census(at=at, counts={}, outstanding_credits={}, overdue={}, oldest={}, listed=listed)
    return Snapshot(census=census, build=BuildView("", "", ""), label_names=label_names, known=(probed.labels,))


@dataclass(frozen=True, slots=True)
class _ProbeCollector(Collector):
    probed: Probed

    def collect(self) -> Iterator[Metric]:
        said = "1 when the API knew the task and said how it does, else 0."
        yield GaugeMetricFamily(SUCCESS, said, value=float(self.probed.success))
        yield GaugeMetricFamily(
            DURATION, "Seconds that the probe took, waiting for its turn included.", value=self.probed.seconds
        )
