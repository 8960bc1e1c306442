"""``process_…`` as every Python exporter shows it, on more machines and at any time.

The library reads once, from ``/proc/stat``, when the machine was booted. Where systemd shows processes alone
(``ProcSubset=pid``) there is no such file, and where the clock steps later the process would have started decades ago.
"""

from collections.abc import Iterable
from pathlib import Path

from prometheus_client import Metric
from prometheus_client.process_collector import ProcessCollector

from exporter.clock import STEP, Clock


class ProcessSeries(ProcessCollector):
    """Dates the start of the process by the clock as it goes now: it stays the same until that steps."""

    def __init__(self, clock: Clock, *, proc: str = "/proc") -> None:
        self._clock = clock
        super().__init__(proc=proc, registry=None)

    def collect(self) -> Iterable[Metric]:
        if self._btime and abs(self._booted_at() - self._btime) > STEP:
            self._btime = round(self._booted_at())
        return super().collect()

    def _boot_time(self) -> int:
        if not (Path(self._proc) / "self/stat").exists():
            raise OSError("there is no /proc here")
        return round(self._booted_at())

    def _booted_at(self) -> float:
        return self._clock.wall() - self._clock.steady()
