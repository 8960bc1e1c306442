"""What an inquiry found, for people and as JSON. What the API says is shown as text, whatever it may look like."""

from collections.abc import Iterator, Sequence

from rich import box
from rich.console import RenderableType
from rich.table import Table
from rich.text import Text

from exporter.inquiry.inquiry import Finding
from exporter.tasks.identity import TaskRef
from exporter.tasks.observation import Observation, Output, Status
from exporter.tasks.state import Submission
from exporter.terminal.text import harmless
from exporter.terminal.words import billed_or_expected, span, style_of

NOT_FOUND = "the API does not know it, or it belongs to another key"


def document(ref: TaskRef, found: Finding) -> dict[str, object]:
    """One task as a JSON object."""
    if found.error is not None:
        reason = {
            "reason": found.error.reason.value,
            "detail": found.error.detail,
            "http_status": found.error.status,
        }
        return {"account": ref.account, "task_id": ref.task_id, "out_task_id": ref.out_task_id, "error": reason}
    known = _known(ref, found)
    return {
        "account": ref.account,
        "task_id": known.task_id,
        "out_task_id": known.out_task_id,
        "status": known.status.value,
        "estimated_seconds": known.estimated_seconds,
        "estimated_credits": known.estimated_credits,
        "credits_used": known.credits_used,
        "error_code": known.error_code,
        "error_message": known.error_message,
        "outputs": [{"type": item.type, "duration_seconds": item.duration_seconds} for item in known.outputs],
        "schema_drift": [drift.value for drift in found.drift],
    }


def one(ref: TaskRef, found: Finding, *, now: float) -> RenderableType:
    """Everything about one task, a line for each thing; ``now`` is Unix seconds."""
    table = Table(box=box.SIMPLE, show_header=False)
    table.add_column(style="dim")
    table.add_column(overflow="fold")
    status = _known(ref, found).status
    for name, value in _rows(ref, found, now):
        # Text: what the API says is no markup
        table.add_row(name, Text(harmless(value), style=style_of(status) if name == "status" else ""))
    return table


def several(findings: Sequence[tuple[TaskRef, Finding]], *, now: float) -> RenderableType:
    """A line for each task."""
    table = Table(box=box.SIMPLE)
    table.add_column("task", overflow="fold")
    table.add_column("status", no_wrap=True)
    table.add_column("credits", justify="right", no_wrap=True)
    table.add_column("what else", overflow="fold")
    for ref, found in findings:
        known, name = _known(ref, found), ref.task_id or ref.out_task_id or ""
        status = "query failed" if found.error else known.status.value
        money = billed_or_expected(known.credits_used, known.estimated_credits, is_open=not known.status.is_terminal)
        style = "bold red" if found.error else style_of(known.status)
        more = str(found.error) if found.error else "; ".join(_in_short(known, found, now))
        table.add_row(Text(harmless(name)), Text(status, style=style), Text(money), Text(harmless(more)))
    return table


def _known(ref: TaskRef, found: Finding) -> Observation:
    """The last answer; what is missing from it, where there was none."""
    return found.observation or Observation(Status.NOT_FOUND, ref.task_id, ref.out_task_id)


def _rows(ref: TaskRef, found: Finding, now: float) -> Iterator[tuple[str, str]]:
    known = _known(ref, found)
    yield "account", ref.account
    for name, value in (("task_id", known.task_id), ("out_task_id", known.out_task_id), ("status", known.status.value)):
        if value is not None:
            yield name, value
    if known.status is Status.NOT_FOUND:
        yield "", NOT_FOUND
    yield from _times(found, now)
    for name, amount in (("estimated_credits", known.estimated_credits), ("credits_used", known.credits_used)):
        if amount is not None:
            yield name, f"{amount:.12g}"
    for name, value in (("error_code", known.error_code), ("error_message", known.error_message)):
        if value is not None:
            yield name, value
    for item in known.outputs:
        yield "output", _output(item)
    if found.drift:
        yield "schema_drift", ", ".join(found.drift)


def _times(found: Finding, now: float) -> Iterator[tuple[str, str]]:
    """Its age, where its id tells it, and the ETA; of one that has ended only what its last estimate was."""
    state = found.state
    if state.submission is Submission.ULID and not state.is_terminal:
        yield "age", f"{span(now - state.submitted_at)}, by its id"
    if state.eta_seconds is not None:
        yield "estimated_seconds", f"{state.eta_seconds:.12g}"


def _in_short(known: Observation, found: Finding, now: float) -> Iterator[str]:
    if known.status is Status.NOT_FOUND:
        yield NOT_FOUND
    if known.error_code or known.error_message:
        yield ": ".join(filter(None, (known.error_code, known.error_message)))
    if not found.state.is_terminal:
        yield from (f"{name} {value}" for name, value in _times(found, now))
    if known.outputs:
        yield ", ".join(map(_output, known.outputs))
    if found.drift:
        yield f"schema_drift {', '.join(found.drift)}"


def _output(item: Output) -> str:
    return item.type if item.duration_seconds is None else f"{item.type}, {item.duration_seconds:g} s"
