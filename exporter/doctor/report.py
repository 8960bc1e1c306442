"""What was found, for people and as JSON."""

from collections.abc import Sequence
from dataclasses import asdict

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from exporter.doctor.finding import Finding, Verdict
from exporter.terminal.text import harmless

STYLES = {Verdict.OK: "green", Verdict.SKIPPED: "dim", Verdict.WARNING: "yellow", Verdict.FAULT: "bold red"}


def document(findings: Sequence[Finding]) -> dict[str, object]:
    """Everything as a JSON object; ``ok`` where nothing is a fault."""
    return {"ok": not faults(findings), "findings": [asdict(finding) for finding in findings]}


def faults(findings: Sequence[Finding]) -> int:
    """How many of them are faults."""
    return sum(finding.verdict is Verdict.FAULT for finding in findings)


def page(findings: Sequence[Finding]) -> RenderableType:
    """A line for each, what to do below it, and the sum at the end."""
    table = Table(box=None, show_header=False, padding=(0, 2, 0, 0))
    table.add_column(no_wrap=True)
    table.add_column(no_wrap=True)
    table.add_column(overflow="fold")
    for finding in findings:
        about = f"{finding.subject}: " if finding.subject and finding.subject not in finding.detail else ""
        table.add_row(
            Text(finding.verdict, style=STYLES[finding.verdict]),
            Text(finding.check),
            Text(harmless(about + finding.detail)),
        )
        if finding.advice:
            table.add_row("", "", Text(f"-> {harmless(finding.advice)}", style="bold"))
    return Group(table, Text(_sum(findings), style="bold"))


def _sum(findings: Sequence[Finding]) -> str:
    warnings = sum(finding.verdict is Verdict.WARNING for finding in findings)
    found = faults(findings)
    if not found and not warnings:
        return "Nothing is in the way."
    parts = ((found, "fault"), (warnings, "warning"))
    return ", ".join(f"{count} {noun}{'' if count == 1 else 's'}" for count, noun in parts if count)
