"""A soak that was run, as it is kept for ``docs/performance.md``: its plan, what was found, every sample."""

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Self

from benchmarks._verdict import Verdict
from benchmarks.soak.plan import Plan
from benchmarks.soak.sample import Sample

FILE = Path(__file__).resolve().parents[2] / "docs" / "soak.json"


@dataclass(frozen=True, slots=True)
class Record:
    """One run."""

    plan: Plan
    samples: Sequence[Sample]
    verdicts: Sequence[Verdict]

    @classmethod
    def read(cls, path: Path = FILE) -> Self:
        """What was kept."""
        kept = json.loads(path.read_text(encoding="utf-8"))
        columns = kept["samples"]
        rows = zip(*columns.values(), strict=True)
        return cls(
            Plan(**kept["plan"]),
            [Sample(**dict(zip(columns, row, strict=True))) for row in rows],
            [Verdict(**verdict) for verdict in kept["verdicts"]],
        )

    def as_json(self) -> str:
        """Each number of a sample in a line of its own, for all samples: short, and to be read."""
        plan = json.dumps(asdict(self.plan))
        verdicts = ",\n  ".join(json.dumps(asdict(verdict)) for verdict in self.verdicts)
        columns = ",\n  ".join(
            f'"{field.name}": {json.dumps([_short(getattr(sample, field.name)) for sample in self.samples])}'
            for field in fields(Sample)
        )
        return f'{{\n "plan": {plan},\n "verdicts": [\n  {verdicts}\n ],\n "samples": {{\n  {columns}\n }}\n}}\n'


def _short(value: object) -> object:
    return round(value, 3) if isinstance(value, float) else value
