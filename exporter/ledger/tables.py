"""The tables: narrow, so that a million outcomes stay cheap.

``outcomes`` grows at its end, in the order of time. ``open_tasks`` holds what a restart must know of tasks that have
not ended. ``totals`` holds every counter and histogram, so that a restart never adds history up again.
``registrations`` are the tasks that were registered over HTTP; ``key`` is both ids as one text, for one may be missing.
"""

from sqlalchemy import Column, Float, Index, Integer, MetaData, PrimaryKeyConstraint, String, Table, UniqueConstraint

metadata = MetaData()

open_tasks = Table(
    "open_tasks",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("account", String, nullable=False),
    Column("task_id", String),
    Column("out_task_id", String),
    Column("first_seen_at", Float, nullable=False),
    Column("submitted_at", Float, nullable=False),
    Column("submission", Integer, nullable=False),
    Column("status", String, nullable=False),
    Column("observed_at", Float),
    Column("open_at", Float),
    Column("running_at", Float),
    Column("eta_seconds", Float),
    Column("credits_estimated", Float),
    Column("saved_at", Float, nullable=False),
    Index("open_tasks_task_id", "account", "task_id"),
    Index("open_tasks_out_task_id", "account", "out_task_id"),
)

outcomes = Table(
    "outcomes",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("account", String, nullable=False),
    Column("task_id", String),
    Column("out_task_id", String),
    Column("status", String, nullable=False),
    Column("first_seen_at", Float, nullable=False),
    Column("submitted_at", Float, nullable=False),
    Column("submission", Integer, nullable=False),
    Column("finished_at", Float, nullable=False),
    Column("duration", Float),
    Column("eta_seconds", Float),
    Column("credits_estimated", Float),
    Column("credits_used", Float),
    Column("error_code", String),
    UniqueConstraint("account", "task_id", name="outcomes_task_id"),
    Index("outcomes_out_task_id", "account", "out_task_id"),
    Index("outcomes_finished_at", "finished_at"),
)

totals = Table(
    "totals",
    metadata,
    Column("family", String, nullable=False),
    Column("labels", String, nullable=False),
    Column("part", String, nullable=False),
    Column("value", Float, nullable=False),
    PrimaryKeyConstraint("family", "labels", "part"),
)

registrations = Table(
    "registrations",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("group_name", String, nullable=False),
    Column("account", String, nullable=False),
    Column("key", String, nullable=False),
    Column("task_id", String),
    Column("out_task_id", String),
    Column("model", String, nullable=False),
    Column("labels", String, nullable=False),
    Column("submitted_at", Float),
    Column("registered_at", Float, nullable=False),
    UniqueConstraint("group_name", "account", "key", name="registrations_key"),
)
