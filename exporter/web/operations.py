"""For whoever operates the exporter: does it live, do its metrics mean something yet, read the configuration again."""

from collections.abc import Sequence
from dataclasses import asdict

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from structlog.typing import FilteringBoundLogger

from exporter.errors import ExporterError
from exporter.ledger.ledger import LedgerError
from exporter.settings.errors import ConfigError
from exporter.web.api.access import Access
from exporter.web.interfaces import RunningExporter
from exporter.web.responses import MOST_FAULTS, RenderSlots, Shared, as_json, text

FLAGS = {"1": True, "true": True, "0": False, "false": False}


class Health:
    """``/-/healthy`` and ``/-/ready``: no upstream call, and nothing that may wait."""

    def __init__(self, exporter: RunningExporter) -> None:
        self._exporter = exporter

    async def healthy(self, _request: Request) -> Response:
        """200, or 503 with every reason why it does not live as it should."""
        return _verdict("Healthy", self._exporter.faults)

    async def ready(self, _request: Request) -> Response:
        """200, or 503 with everything that is still missing."""
        return _verdict("Ready", self._exporter.unready)


def _verdict(good: str, reasons: Sequence[str]) -> Response:
    return text("\n".join(reasons), 503) if reasons else text(good)


class Reload:
    """``POST|PUT /-/reload``: read the configuration again, and answer with what changed.

    Those that wait for one to begin share it: of a hundred at once, one runs and one waits.
    """

    def __init__(self, exporter: RunningExporter, access: Access, log: FilteringBoundLogger) -> None:
        self._exporter = exporter
        self._access = access
        self._log = log
        self._reloads = Shared(self._reload, RenderSlots(at_once=1, waiting=None))

    async def reload(self, request: Request) -> Response:
        """200 with the difference; 400, 503 or 500 with the reasons, and the old configuration goes on."""
        await self._access.check(request)
        dry_run = _dry_run(request)
        await request.body()  # there is nothing to read in it, but its size has a limit
        status, answer = await self._reloads.get(dry_run)
        return as_json({"status": "success" if status == 200 else "error", "dry_run": dry_run, **answer}, status)

    async def _reload(self, dry_run: bool) -> tuple[int, dict[str, object]]:  # noqa: FBT001 - it is a key
        """Status and answer of one reload."""
        try:
            difference = await self._exporter.reload(dry_run=dry_run)
        except ConfigError as error:
            log_refusal(self._log, error)
            return 400, {"errors": _faults(error)}
        except LedgerError as error:
            log_refusal(self._log, error)
            return 503, {"errors": [{"message": str(error)}]}
        except Exception:  # noqa: BLE001 - whatever it is, the caller gets an answer and the log the reason
            self._log.exception("config_reload_failed")
            return 500, {"errors": [{"message": "an internal error: see the exporter's log"}]}
        return 200, difference.as_json()


def log_refusal(log: FilteringBoundLogger, error: ExporterError) -> None:
    """Why a reload was refused, one line a fault; there may be as many as there are tasks."""
    if not isinstance(error, ConfigError):
        log.error("config_reload_refused", error=str(error))
        return
    for fault in error.faults[:MOST_FAULTS]:
        log.error("config_reload_refused", file=fault.file, line=fault.line, key=fault.key, error=fault.message)
    if (more := len(error.faults) - MOST_FAULTS) > 0:
        log.error("config_reload_refused", error=f"and {more} more: check-config names them all")


def _dry_run(request: Request) -> bool:
    """Anything misspelt is refused: it must not become a reload in earnest."""
    values = request.query_params.getlist("dry_run")
    if set(request.query_params) - {"dry_run"} or len(values) > 1 or any(value not in FLAGS for value in values):
        raise HTTPException(400, "the only parameter is dry_run, and it is 0 or 1")
    return any(FLAGS[value] for value in values)


def _faults(error: ConfigError) -> list[dict[str, object]]:
    first: list[dict[str, object]] = [asdict(fault) for fault in error.faults[:MOST_FAULTS]]
    more = len(error.faults) - len(first)
    return [*first, {"message": f"and {more} more: check-config names them all"}] if more else first
