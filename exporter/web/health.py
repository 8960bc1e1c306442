"""``/-/healthy`` and ``/-/ready``: does it live, and do the metrics mean something yet? No upstream call."""

from collections.abc import Sequence

from starlette.requests import Request
from starlette.responses import Response

from exporter.web.answers import text
from exporter.web.dependencies import RunningExporter


class Health:
    """Answers probes."""

    def __init__(self, exporter: RunningExporter) -> None:
        self._exporter = exporter

    async def healthy(self, _request: Request) -> Response:
        return _verdict("Healthy", self._exporter.faults)

    async def ready(self, _request: Request) -> Response:
        return _verdict("Ready", self._exporter.unready)


def _verdict(good: str, reasons: Sequence[str]) -> Response:
    return text("\n".join(reasons), 503) if reasons else text(good)
