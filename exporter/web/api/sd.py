"""``/sd``: the open tasks as targets of Prometheus' HTTP service discovery, to be asked about through ``/probe``."""

import asyncio
from collections.abc import Sequence

from starlette.requests import Request
from starlette.responses import Response

from exporter.settings.errors import shown
from exporter.tasks.view import TaskView
from exporter.web.api.access import Access
from exporter.web.api.listing import Filters, TaskWalk
from exporter.web.api.refusals import refusal
from exporter.web.responses import RenderSlots, as_json
from exporter.web.site import PROBE, Site

MAX_TARGETS = 10_000
"""The oldest so many; the rest are counted in a header."""

LEFT_OUT = "X-Bytespike-Left-Out"


class ServiceDiscovery:
    """Says what there is to be probed."""

    def __init__(self, walk: TaskWalk, access: Access, slots: RenderSlots, site: Site) -> None:
        self._walk = walk
        self._access = access
        self._slots = slots
        self._site = site

    async def targets(self, request: Request) -> Response:
        """Each task is a target group of one target, this exporter, as it was addressed."""
        await self._access.check_if_guarded(request)
        if unknown := set(request.query_params) - {"group", "account"}:
            raise refusal(
                400, f"the parameters are group and account, not {', '.join(map(shown, sorted(unknown)))[:100]}"
            )
        tasks, left_out = await self._walk.open_tasks(Filters.of(request.query_params), limit=MAX_TARGETS)
        netloc = request.url.netloc
        async with self._slots.slot():
            answer = await asyncio.to_thread(_answer, tasks, netloc, self._site.probe_path(netloc))
        answer.headers[LEFT_OUT] = str(left_out)
        return answer


def target_group(task: TaskView, address: str, path: str) -> dict[str, object]:
    """One task; what begins with ``__param_`` becomes a parameter of the scrape, the rest is for relabelling.

    The ``path`` of the probe is said where it is not the usual one, which stands in the scrape configuration.
    """
    ref, labels = task.state.ref, task.labels
    name = {"__param_task_id": ref.task_id} if ref.task_id else {"__param_out_task_id": ref.out_task_id or ""}
    return {
        "targets": [address],
        "labels": {
            "__param_account": labels.account,
            **name,
            **({} if path == PROBE else {"__metrics_path__": path}),
            "__meta_bytespike_group": labels.group,
            "__meta_bytespike_model": labels.model,
            **{f"__meta_bytespike_label_{key}": value for key, value in labels.user},
        },
    }


def _answer(tasks: Sequence[TaskView], address: str, path: str) -> Response:
    return as_json([target_group(task, address, path) for task in tasks])
