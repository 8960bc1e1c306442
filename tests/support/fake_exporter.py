"""An exporter that is in whatever state a test of the web needs."""

from collections.abc import Callable
from dataclasses import dataclass, field

from exporter.metrics.snapshot import BuildView, Snapshot
from exporter.settings.model import AccountSettings, GroupSettings, Settings
from exporter.settings.reload import Changes, Difference
from exporter.tasks.census import Census

NOW = 1_780_000_000.0

SETTINGS = Settings(
    accounts=(AccountSettings("default", "https://api.example", api_key_env="KEY"),),
    task_groups=(GroupSettings("renders", "default", "sora-2"),),
)


def census(**parts: object) -> Census:
    """A census of nothing, but for the parts given."""
    nothing: dict[str, object] = {"at": NOW, "counts": {}, "outstanding_credits": {}, "overdue": {}, "oldest": {}}
    return Census(**{**nothing, **parts})  # type: ignore[arg-type] # each part has the type of its field


def snapshot(**parts: object) -> Snapshot:
    """A snapshot of nothing, but for the parts given."""
    nothing: dict[str, object] = {"census": census(), "build": BuildView("1.2.3", "abc123", "3.13.1")}
    return Snapshot(**{**nothing, **parts})  # type: ignore[arg-type] # likewise


@dataclass
class FakeExporter:
    """``exporter.web.running.Running`` out of plain attributes; ``reloads`` are the dry_run of each reload."""

    settings: Settings = SETTINGS
    faults: tuple[str, ...] = ()
    unready: tuple[str, ...] = ()
    shown: Callable[[], Snapshot] = snapshot
    refusal: Exception | None = None
    reloads: list[bool] = field(default_factory=list)

    def snapshot(self) -> Snapshot:
        return self.shown()

    async def reload(self, *, dry_run: bool = False) -> Difference:
        self.reloads.append(dry_run)
        if self.refusal is not None:
            raise self.refusal
        return Difference(accounts=Changes(kept=("default",)), groups=Changes(added=("renders",)))
