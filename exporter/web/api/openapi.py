"""The API's description, OpenAPI 3.1.

``python -m exporter.web.api.openapi`` prints it; ``docs/openapi.json`` is what it printed last.
"""

import json
import sys
from typing import Any

from exporter.registration.registrar import Result
from exporter.settings.fields import MAX_VALUE
from exporter.tasks.observation import Status
from exporter.web.api.listing import DEFAULT_LIMIT, MAX_LIMIT
from exporter.web.api.parsing import MAX_IDS

Schema = dict[str, Any]

TEXT: Schema = {"type": "string"}
TEXT_OR_NULL: Schema = {"type": ["string", "null"]}
NUMBER_OR_NULL: Schema = {"type": ["number", "null"]}
MOMENT: Schema = {"type": ["string", "null"], "format": "date-time", "description": "RFC 3339, UTC."}
TASK_ID: Schema = {"type": "string", "minLength": 1, "maxLength": MAX_VALUE, "pattern": "^[!-~]+$"}
LABELS: Schema = {"type": "object", "additionalProperties": TEXT}
STATUS: Schema = {"type": "string", "enum": [str(status) for status in Status]}


def openapi() -> Schema:
    """The description."""
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "bytespike-exporter",
            "version": "1",
            "description": "Register tasks while the exporter runs. docs/api.md says how.",
        },
        "servers": [{"url": "/", "description": "What --web.route-prefix says comes before every path."}],
        "paths": {
            "/api/v1/tasks": {"get": _list(), "post": _register()},
            "/api/v1/tasks/{id}": {"get": _show(), "delete": _remove()},
            "/api/v1/callbacks/{group}/{secret}": {"post": _callback()},
            "/sd": {"get": _sd()},
            "/probe": {"get": _probe()},
        },
        "components": {
            "schemas": {"Item": _item(), "Task": _task(), "WholeTask": _whole_task(), "Errors": _errors()},
            "securitySchemes": {
                "token": {"type": "http", "scheme": "bearer", "description": "What api.token_file holds."}
            },
        },
        "security": [{"token": []}, {}],
    }


def as_text() -> str:
    """The description as it stands in its file."""
    return json.dumps(openapi(), indent=2, ensure_ascii=False) + "\n"


# ---- operations ------------------------------------------------------------------------------------------------------


def _register() -> Schema:
    item = {"$ref": "#/components/schemas/Item"}
    done = _object({"task_id": TEXT, "out_task_id": TEXT, "group": TEXT, "result": _enum(Result)}, ["group", "result"])
    answer = _object({"status": {"const": "success"}, "tasks": _list_of(done)}, ["status", "tasks"])
    return {
        "summary": "Register tasks; all of a request, or nothing. Answered once the ledger has them.",
        "operationId": "registerTasks",
        "requestBody": _json_body({"anyOf": [item, {"type": "array", "items": item, "maxItems": MAX_IDS}]}),
        "responses": {
            "200": _json("What became of each id, in the order of the request.", answer),
            **_refusals(400, 401, 403, 413, 415, 422, 429, 503),
        },
    }


def _list() -> Schema:
    tasks = _list_of({"$ref": "#/components/schemas/Task"})
    missing = _list_of(_object({"account": TEXT, "owner": _owner()}, ["account", "owner"]))
    elsewhere = {**missing, "description": "The accounts whose tasks other exporters of the ledger follow, if any."}
    page = _object({"tasks": tasks, "next": TEXT_OR_NULL, "elsewhere": elsewhere}, ["tasks", "next"])
    limit = {"type": "integer", "minimum": 1, "maximum": MAX_LIMIT, "default": DEFAULT_LIMIT}
    return {
        "summary": "The followed tasks, in the order in which they came.",
        "operationId": "listTasks",
        "parameters": [
            _query("group", TEXT),
            _query("status", STATUS),
            _query("account", TEXT),
            _query("limit", limit),
            _query("cursor", TEXT, "next of the page before; good for as long as the exporter runs."),
        ],
        "responses": {
            "200": _json("One page; next is null on the last one.", page),
            **_refusals(400, 401, 403, 422, 429, 503),
        },
    }


def _show() -> Schema:
    return {
        "summary": "One task that is followed, here or by another exporter of the ledger, with what was seen of it.",
        "operationId": "showTask",
        "parameters": [_id(), _query("account", TEXT, "Needed where two accounts have a task of this id.")],
        "responses": {
            "200": _json("The task.", {"$ref": "#/components/schemas/WholeTask"}),
            **_refusals(400, 401, 403, 404, 409, 429, 503),
        },
    }


def _remove() -> Schema:
    return {
        "summary": "Follow a registered task no more. Upstream nothing is cancelled.",
        "operationId": "removeTask",
        "parameters": [_id(), _query("account", TEXT, "Needed where two accounts have a task of this id.")],
        "responses": {
            "204": {"description": "It is registered no more; another source may still name it."},
            **_refusals(400, 401, 403, 404, 409, 429, 503),
        },
    }


def _callback() -> Schema:
    return {
        "summary": "A hint that a task has ended: task_id or out_task_id at the top, in task or in data.",
        "operationId": "takeCallback",
        "security": [{}],
        "parameters": [_path("group", TEXT), _path("secret", TEXT)],
        "requestBody": _json_body({}),
        "responses": {
            "202": _json(
                "Taken; the task is asked about soon.", _object({"status": {"const": "accepted"}}, ["status"])
            ),
            **_refusals(400, 404, 413, 422, 429),
        },
    }


def _sd() -> Schema:
    target = _object({"targets": _list_of(TEXT), "labels": LABELS}, ["targets", "labels"])
    return {
        "summary": "The open tasks for http_sd_configs of Prometheus.",
        "operationId": "listTargets",
        "parameters": [_query("group", TEXT), _query("account", TEXT)],
        "responses": {"200": _json("Target groups.", _list_of(target)), **_refusals(400, 401, 403, 429, 503)},
    }


def _probe() -> Schema:
    page = {"schema": TEXT}
    return {
        "summary": "Ask about one task now.",
        "operationId": "probeTask",
        "parameters": [
            _query("account", TEXT, "May be left out where there is one account."),
            _query("task_id", TASK_ID, "Exactly one of this and out_task_id."),
            _query("out_task_id", TASK_ID),
            _query("debug", {"type": "string", "enum": ["true", "false"]}, "true: a trace for people."),
        ],
        "responses": {
            "200": {
                "description": "Metrics; probe_success says whether there was an answer.",
                "content": {"text/plain": page, "application/openmetrics-text": page},
            },
            **_refusals(400, 401, 403, 429, 503),
        },
    }


# ---- schemas ---------------------------------------------------------------------------------------------------------


def _item() -> Schema:
    ids = {"type": "array", "items": TASK_ID, "uniqueItems": True}
    value = {"type": "string", "minLength": 1, "maxLength": MAX_VALUE}
    properties: Schema = {
        "group": {**TEXT, "description": "May be left out where one group has api_config."},
        "task_ids": ids,
        "out_task_ids": ids,
        "model": value,
        "labels": {"type": "object", "additionalProperties": value},
        "submitted_at": {"type": "string", "format": "date-time"},
    }
    needed = [{"required": ["task_ids"]}, {"required": ["out_task_ids"]}]
    return {**_object(properties, []), "anyOf": needed, "additionalProperties": False}


def _task() -> Schema:
    text = dict.fromkeys(("account", "group", "model"), TEXT)
    ids = dict.fromkeys(("task_id", "out_task_id", "error_code"), TEXT_OR_NULL)
    moments = dict.fromkeys(("submitted_at", "observed_at", "finished_at"), MOMENT)
    numbers = dict.fromkeys(("estimated_seconds", "credits_estimated", "credits_used"), NUMBER_OR_NULL)
    properties = {**text, "labels": LABELS, "status": STATUS, **ids, **moments, **numbers}
    return _object(properties, list(properties))


def _whole_task() -> Schema:
    change = _object({"at": MOMENT, "status": STATUS}, ["at", "status"])
    more: Schema = {
        "first_seen_at": MOMENT,
        "running_at": MOMENT,
        "duration_seconds": NUMBER_OR_NULL,
        "sources": _list_of(TEXT),
        "history": _list_of(change),
    }
    properties = {**_task()["properties"], **more}
    owner = {**_owner(), "description": "There where another exporter of the ledger follows the task."}
    return _object({**properties, "owner": owner}, list(properties))


def _owner() -> Schema:
    """Another exporter; null where none is known to own the account at the moment."""
    return {**_object({"id": TEXT, "url": TEXT_OR_NULL}, ["id", "url"]), "type": ["object", "null"]}


def _errors() -> Schema:
    error = _object({"index": {"type": "integer"}, "key": TEXT, "message": TEXT}, ["message"])
    return _object({"status": {"const": "error"}, "errors": _list_of(error)}, ["status", "errors"])


# ---- parts -----------------------------------------------------------------------------------------------------------

_REFUSALS = {
    400: "It cannot be read.",
    401: "The bearer token is needed.",
    403: "Not from here.",
    404: "There is no such thing.",
    409: "It is not clear which task is meant, or the task was not registered here.",
    413: "It is too large.",
    415: "It is not JSON.",
    422: "Something in it is wrong; every fault is named.",
    429: "A limit is reached; Retry-After says when to come back.",
    503: "The ledger, or the token's file, cannot be used now.",
}


def _refusals(*statuses: int) -> Schema:
    content = {
        "application/json": {"schema": {"$ref": "#/components/schemas/Errors"}},
        "text/plain": {"schema": TEXT},  # what is refused before a route has it
    }
    return {str(status): {"description": _REFUSALS[status], "content": content} for status in statuses}


def _json(description: str, schema: Schema) -> Schema:
    return {"description": description, "content": {"application/json": {"schema": schema}}}


def _json_body(schema: Schema) -> Schema:
    return {"required": True, "content": {"application/json": {"schema": schema}}}


def _object(properties: Schema, required: list[str]) -> Schema:
    return {"type": "object", "properties": properties, "required": required}


def _list_of(schema: Schema) -> Schema:
    return {"type": "array", "items": schema}


def _enum(values: type[Result]) -> Schema:
    return {"type": "string", "enum": [str(value) for value in values]}


def _query(name: str, schema: Schema, description: str = "") -> Schema:
    said = {"description": description} if description else {}
    return {"name": name, "in": "query", **said, "schema": schema}


def _path(name: str, schema: Schema) -> Schema:
    return {"name": name, "in": "path", "required": True, "schema": schema}


def _id() -> Schema:
    return {**_path("id", TASK_ID), "description": "A task_id or an out_task_id."}


if __name__ == "__main__":
    sys.stdout.write(as_text())
