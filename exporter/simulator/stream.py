"""``GET /v1/tasks/stream/{task_id}``: the route is published, all that it sends is invented.

One event ``status`` with the query record on connecting and at each change, a comment every 15 seconds, and the end
of the stream after the terminal one.
"""

import json
from collections.abc import AsyncIterator

from starlette.responses import Response

from exporter.simulator.endpoints import shown
from exporter.simulator.gate import Call
from exporter.simulator.orders import Name
from exporter.simulator.task import Status

HEARTBEAT_SECONDS = 15
MAX_SLEEP_SECONDS = 0.25
"""A task may be cancelled at any time: look that often at least."""


def stream(call: Call) -> Response:
    """The states of one task as they come; 404 as for a query."""
    # Importing sse_starlette patches uvicorn: leave that to those who stream.
    from sse_starlette import EventSourceResponse

    task = call.simulator.world.query(call.caller, Name(task_id=call.path_id), call.simulator.now())
    return EventSourceResponse(_events(call, task.task_id), ping=HEARTBEAT_SECONDS)


async def _events(call: Call, task_id: str) -> AsyncIterator[dict[str, str]]:
    world, said = call.simulator.world, None
    while True:
        world.advance(call.simulator.now())
        task = world.task(task_id)
        status: Status = task.status_at(world.now)
        if status is not said:
            said = status
            yield {"event": "status", "data": json.dumps(shown(call, task))}
        if task.ended_by(world.now):
            return
        await call.simulator.clock.sleep(min(MAX_SLEEP_SECONDS, task.next_change(world.now) - world.now))
