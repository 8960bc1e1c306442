"""``/sd``: the open tasks as targets of Prometheus' HTTP service discovery, to be asked about through ``/probe``."""

from starlette.requests import Request
from starlette.responses import Response

from exporter.settings.errors import shown
from exporter.tasks.view import TaskView
from exporter.threads import in_thread
from exporter.web.api.access import Access
from exporter.web.api.listing import Filters, TaskWalk
from exporter.web.api.refusals import refusal
from exporter.web.responses import RenderSlots, Shared, as_json_list, in_pieces
from exporter.web.site import PROBE, Site

MAX_TARGETS = 10_000
"""The oldest so many; the rest are counted in a header."""

LEFT_OUT = "X-Bytespike-Left-Out"


MAX_KINDS = 100
"""So many different lists may be waited for; the same one is made once for all that wait for it."""


class ServiceDiscovery:
    """Says what there is to be probed."""

    def __init__(self, walk: TaskWalk, access: Access, site: Site) -> None:
        self._walk = walk
        self._access = access
        self._site = site
        self._lists = Shared(self._list, RenderSlots(at_once=1, waiting=MAX_KINDS))

    async def targets(self, request: Request) -> Response:
        """Each task is a target group of one target, this exporter, as it was addressed."""
        await self._access.check_if_guarded(request)
        if unknown := set(request.query_params) - {"group", "account"}:
            raise refusal(
                400, f"the parameters are group and account, not {', '.join(map(shown, sorted(unknown)))[:100]}"
            )
        body, left_out = await self._lists.get((Filters.of(request.query_params), request.url.netloc))
        return in_pieces(body, {LEFT_OUT: str(left_out)})

    async def _list(self, wanted: tuple[Filters, str]) -> tuple[bytes, int]:
        """The answer to one question, and how many it leaves out."""
        filters, address = wanted
        path = self._site.probe_path(address)
        tasks, left_out = await self._walk.open_tasks(filters, limit=MAX_TARGETS)
        body = await in_thread(lambda: as_json_list(target_group(task, address, path) for task in tasks))
        return body, left_out


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
