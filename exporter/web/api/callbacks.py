"""``POST /api/v1/callbacks/{group}/{secret}``: the dispatcher says that a task has ended, and we go and ask.

The payload is not documented and not signed: an id is looked for in the places where it is likely, and nothing else of
it is used.
"""

import json
from collections.abc import Iterator

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response

from exporter.metrics.families.own import Credential
from exporter.settings.confidential import MISPLACED
from exporter.settings.model import GroupSettings
from exporter.tasks.identity import TaskRef
from exporter.web.api.access import SecretFiles, address_of
from exporter.web.api.parsing import is_task_id
from exporter.web.api.refusals import refusal
from exporter.web.guesses import Guesses
from exporter.web.interfaces import RunningExporter
from exporter.web.responses import as_json

MAX_BODY_BYTES = 64 * 1024

ENVELOPES = ("task", "data")


class Callbacks:
    """Answers before anything is asked or written."""

    def __init__(self, exporter: RunningExporter, secrets: SecretFiles, guesses: Guesses) -> None:
        self._exporter = exporter
        self._secrets = secrets
        self._guesses = guesses

    async def take(self, request: Request) -> Response:
        """202 for any JSON; whether the group or the secret is wrong, the 404 does not tell."""
        group = await self._group(request.path_params["group"], request.path_params["secret"])
        if group is None:
            await self._guesses.refused(Credential.CALLBACK, address_of(request))
            raise HTTPException(404)
        task_id, out_task_id = named_in(_payload(await request.body()))
        if any(self._exporter.secrets.holds(name) for name in (task_id, out_task_id) if name):
            raise refusal(422, MISPLACED)
        if task_id or out_task_id:
            self._exporter.registrations.hint(group, TaskRef(group.account, task_id, out_task_id))
        return as_json({"status": "accepted"}, 202)

    async def _group(self, name: str, secret: str) -> GroupSettings | None:
        for group in self._exporter.settings.task_groups:
            callback = group.callback_config
            if group.name == name and callback and await self._secrets.matches(callback.secret_file, secret):
                return group
        return None


def named_in(payload: object) -> tuple[str | None, str | None]:
    """The ``task_id`` and ``out_task_id`` of a payload, from the first place that has one that may be one."""
    for record in _records(payload):
        task_id, out_task_id = record.get("task_id"), record.get("out_task_id")
        ids = (task_id if is_task_id(task_id) else None, out_task_id if is_task_id(out_task_id) else None)
        if any(ids):
            return ids
    return None, None


def _records(payload: object) -> Iterator[dict[str, object]]:
    if isinstance(payload, dict):
        yield payload
        yield from (inner for name in ENVELOPES if isinstance(inner := payload.get(name), dict))


def _payload(body: bytes) -> object:
    try:
        return json.loads(body)
    except (ValueError, RecursionError):
        raise refusal(400, "the body is not JSON") from None
