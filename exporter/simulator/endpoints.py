"""The endpoints of the API: submit, query, cancel and the account."""

from typing import get_args

from starlette.responses import Response

from exporter.simulator.answers import json_answer
from exporter.simulator.gate import Call
from exporter.simulator.money import usd
from exporter.simulator.orders import parse_body, parse_cancel, parse_name, parse_order
from exporter.simulator.records import Record, record, reshape
from exporter.simulator.scenarios import SchemaChange, SchemaKind
from exporter.simulator.task import Task

LOW_BALANCE_USD = 5.0


def submit(call: Call) -> Response:
    """``POST /v1/tasks/submit``: the record of the new task, or of the one that the submission repeats."""
    order = parse_order(parse_body(call.body), call.simulator.world.catalogue)
    return _told(call, call.simulator.world.submit(call.caller, order, call.simulator.now()))


def query(call: Call) -> Response:
    """``POST /v1/tasks/query``: the record of one task."""
    name = parse_name(parse_body(call.body))
    return _told(call, call.simulator.world.query(call.caller, name, call.simulator.now()))


def cancel(call: Call) -> Response:
    """``POST /v1/tasks/cancel`` and ``…/cancel/{task_id}``: the record after it."""
    name = parse_cancel(call.body, call.path_id)
    return _told(call, call.simulator.world.cancel(call.caller, name, call.simulator.now()))


def account(call: Call) -> Response:
    """``GET /api/v1/me/account``; who the user is is invented."""
    world = call.simulator.world
    world.advance(call.simulator.now())
    wallet, name = world.wallet(call.caller), call.caller.account.name
    available = usd(wallet.available)
    return json_answer(
        {
            "user": {"id": 1, "username": name, "created_at": "2026-01-04T07:11:00Z", "tier": "individual"},
            "balance": {
                "available_usd": available,
                "lifetime_topup_usd": usd(wallet.topped_up),
                "lifetime_spent_usd": usd(wallet.spent),
                "low_balance_threshold_usd": LOW_BALANCE_USD,
                "low_balance_flagged": available <= LOW_BALANCE_USD,
            },
            "allowed_models": [
                {"id": slug, "quota_used_usd": None, "quota_cap_usd": None}
                for slug in call.caller.key.models or world.catalogue
            ],
            "org": {"id": 1, "name": name, "role": "member"} if call.caller.account.org else None,
        }
    )


def shown(call: Call, task: Task) -> Record:
    """The task's record now, in another shape while a ``schema_change`` hits."""
    simulator = call.simulator
    said = record(task, simulator.world.now)
    effect = simulator.programme.effect(SchemaChange, call.caller.account.name, simulator.world.now)
    if effect is None or not simulator.hits(effect):
        return said
    return reshape(said, task, simulator.draw(get_args(SchemaKind)) if effect.kind == "mixed" else effect.kind)


def _told(call: Call, task: Task) -> Response:
    return json_answer(shown(call, task))
