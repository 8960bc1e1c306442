"""The rows of registered tasks: written before a registration is answered, so that it survives whatever comes."""

import json
from collections.abc import Iterable, Sequence
from typing import Any

from sqlalchemy import Connection, RowMapping, delete, select
from sqlalchemy.dialects.sqlite import insert

from exporter.ledger.tables import registrations
from exporter.tasks.identity import TaskRef
from exporter.tasks.item import Registration


def insert_registrations(tx: Connection, new: Sequence[Registration]) -> None:
    """Keep these; what is there already stays as it is."""
    tx.execute(insert(registrations).on_conflict_do_nothing(), [_row(registration) for registration in new])


def delete_registrations(tx: Connection, gone: Iterable[Registration]) -> None:
    """Keep these no more."""
    for registration in gone:
        name = {"group_name": registration.group, "account": registration.ref.account, "key": _key(registration.ref)}
        tx.execute(delete(registrations).filter_by(**name))


def select_registrations(tx: Connection) -> list[Registration]:
    """All of them, in the order in which they came."""
    rows = tx.execute(select(registrations).order_by(registrations.c.id)).mappings()
    return [_registration(row) for row in rows]


def _row(registration: Registration) -> dict[str, Any]:
    ref = registration.ref
    return {
        "group_name": registration.group,
        "account": ref.account,
        "key": _key(ref),
        "task_id": ref.task_id,
        "out_task_id": ref.out_task_id,
        "model": registration.model,
        "labels": json.dumps(dict(registration.labels), ensure_ascii=False),
        "submitted_at": registration.submitted_at,
        "registered_at": registration.registered_at,
    }


def _registration(row: RowMapping) -> Registration:
    return Registration(
        group=row["group_name"],
        ref=TaskRef(row["account"], row["task_id"], row["out_task_id"]),
        registered_at=row["registered_at"],
        model=row["model"],
        labels=tuple(sorted(json.loads(row["labels"]).items())),
        submitted_at=row["submitted_at"],
    )


def _key(ref: TaskRef) -> str:
    """One text that tells references of one account apart: ids hold no space."""
    return f"{ref.task_id or ''} {ref.out_task_id or ''}"
