"""Other settings are prepared, which may fail and changes nothing, and put in force, which does neither."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any, cast

import pytest
import structlog

from exporter.discovery import configured_sources
from exporter.dispatcher.account import Account
from exporter.dispatcher.answer import DispatcherError, Reason
from exporter.intake.intake import Intake
from exporter.ledger.ledger import LedgerError, LedgerView
from exporter.metrics.limits import LabelLimits
from exporter.registration.registry import Registry, registered_source
from exporter.service.accounts import Accounts, AccountsPlan
from exporter.service.reload import Planner, configured_labels, following, static_source
from exporter.settings.errors import ConfigError
from exporter.settings.model import (
    AccountSettings,
    ApiConfigSettings,
    FileSdSettings,
    GlobalSettings,
    GroupSettings,
    LabelValuesSettings,
    Settings,
    TargetSettings,
)
from exporter.tasks.census import Rules
from exporter.tasks.identity import TaskRef
from exporter.tasks.item import Item, Registration, TaskLabels
from exporter.tasks.state import TaskState
from exporter.tasks.tracker import Tracker
from tests.service.rig import Rig
from tests.support.fake_clock import FakeClock

ONE = GroupSettings("one", "a", "sora-2", static_configs=(TargetSettings(task_ids=("t1", "t2")),))
OTHER = GroupSettings("other", "a", api_config=ApiConfigSettings())
FILES = GroupSettings("files", "a", file_sd_configs=(FileSdSettings(files=("/tasks/*.yml",)),))
RUNNING = Settings(accounts=(), task_groups=(ONE, OTHER, FILES))


class Ledger:
    is_full = False
    view = LedgerView()

    def __init__(self) -> None:
        self.fault: Exception | None = None
        self.asked: list[TaskRef] = []

    async def recall(self, refs: Sequence[TaskRef]) -> Mapping[TaskRef, TaskState]:
        if self.fault:
            raise self.fault
        self.asked += refs
        return {}


class NoAccounts:
    """Accounts that note whether they were prepared."""

    def __init__(self) -> None:
        self.prepared = 0

    async def prepare(self, wanted: Settings) -> AccountsPlan:
        self.prepared += 1
        return AccountsPlan(wanted)


class Planned:
    """A planner before a tracker that follows what the running settings name."""

    def __init__(self) -> None:
        self.ledger, self.accounts, self.registry = Ledger(), NoAccounts(), Registry()
        self.tracker = Tracker(Rules())
        self.intake = Intake(
            self.tracker, ledger=self.ledger, bounds=LabelLimits(), clock=FakeClock(), log=structlog.get_logger()
        )
        self.planner = Planner(
            accounts=cast("Accounts", self.accounts), intake=self.intake, tracker=self.tracker, registry=self.registry
        )

    def follow(self, source: str, *task_ids: str, account: str = "a") -> None:
        for task_id in task_ids:
            self.tracker.claim(source, Item(TaskRef(account, task_id), TaskLabels(account, "g")), now=0.0)

    async def lists(self, wanted: Settings, running: Settings | None = RUNNING) -> dict[str, list[str]]:
        """What each source is to ask for once the wanted settings are in force."""
        plan = await self.planner.prepare(wanted, running=running)
        return {source: [str(item.ref) for item in items] for source, items in plan.lists.items()}


@pytest.fixture
def planned() -> Planned:
    return Planned()


def with_groups(*groups: GroupSettings) -> Settings:
    return replace(RUNNING, task_groups=groups)


# ---- plans ---------------------------------------------------------------------------------------------------------


async def test_at_the_start_every_group_is_listed(planned: Planned) -> None:
    planned.registry.add([Registration("other", TaskRef("a", "r"), 0.0)])
    lists = await planned.lists(RUNNING, running=None)
    assert lists == {"one/static": ["t1", "t2"], "other/static": [], "other/api": ["r"], "files/static": []}
    assert planned.ledger.asked == [TaskRef("a", "t1"), TaskRef("a", "t2"), TaskRef("a", "r")]


async def test_what_has_not_changed_is_not_listed_again(planned: Planned) -> None:
    assert await planned.lists(RUNNING) == {}
    retention = replace(RUNNING, globals=GlobalSettings(retention=1.0))
    assert await planned.lists(retention) == {}
    relabelled = replace(ONE, model="veo")
    assert await planned.lists(with_groups(relabelled, OTHER, FILES)) == {"one/static": ["t1", "t2"]}


@pytest.mark.parametrize(
    "globals_", [GlobalSettings(labels=("team",)), GlobalSettings(label_values=LabelValuesSettings(limit=1))]
)
async def test_other_limits_of_labels_list_every_group_anew(planned: Planned, globals_: GlobalSettings) -> None:
    lists = await planned.lists(replace(RUNNING, globals=globals_))
    assert lists.keys() == {"one/static", "other/static", "other/api", "files/static"}


async def test_a_source_that_is_not_wanted_any_more_is_to_name_nothing(planned: Planned) -> None:
    [files] = configured_sources(FILES, ())
    planned.follow(static_source(ONE), "t1", "t2")
    planned.follow(registered_source("other"), "r")
    planned.follow(files.name, "f")
    assert await planned.lists(RUNNING) == {}
    assert await planned.lists(with_groups(ONE, replace(OTHER, api_config=None))) == {
        "other/static": [],
        registered_source("other"): [],
        files.name: [],
    }
    assert await planned.lists(with_groups()) == {"one/static": [], registered_source("other"): [], files.name: []}


async def test_what_files_named_under_another_account_is_not_kept(planned: Planned) -> None:
    [files] = configured_sources(FILES, ())
    planned.follow(files.name, "f")
    moved = replace(FILES, account="b")
    assert (await planned.lists(with_groups(ONE, OTHER, moved)))[files.name] == []


def test_of_accounts_that_others_own_no_group_is_followed() -> None:
    settings = Settings(
        accounts=(AccountSettings("blue"), AccountSettings("green")),
        task_groups=(
            GroupSettings("renders", "blue"),
            GroupSettings("clips", "green"),
            GroupSettings("stills", "blue"),
        ),
    )

    followed = following(settings, frozenset({"blue"}))

    assert [group.name for group in followed.task_groups] == ["renders", "stills"]
    assert followed.accounts == settings.accounts, "their keys are known all the same"
    assert following(settings, None) is settings


async def test_a_plan_names_each_label_set_once(planned: Planned) -> None:
    targets = tuple(TargetSettings(task_ids=(f"t{number}",), model="veo") for number in range(3))
    wanted = with_groups(replace(ONE, static_configs=targets), OTHER)
    plan = await planned.planner.prepare(wanted, running=None)
    assert list(configured_labels(wanted)).count(TaskLabels("a", "one", "veo")) == 3
    assert list(plan.labels) == [TaskLabels("a", "one", "veo"), TaskLabels("a", "other")]


async def test_a_ledger_that_cannot_be_read_is_found_out_before_anything_is_opened(planned: Planned) -> None:
    planned.follow(static_source(ONE), "t1", "t2")
    planned.ledger.fault = LedgerError("the disk is gone")
    more = replace(ONE, static_configs=(TargetSettings(task_ids=("t1", "t2", "t3")),))
    with pytest.raises(LedgerError):
        await planned.planner.prepare(with_groups(more), running=RUNNING)
    assert (planned.accounts.prepared, len(planned.tracker)) == (0, 2)
    assert await planned.lists(with_groups(ONE, OTHER, FILES)) == {}, "what is known needs no ledger"


# ---- in force ------------------------------------------------------------------------------------------------------


class Opened:
    """Notes which accounts were opened and which closed; one of them cannot be opened."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, *, unopenable: str) -> None:
        self.opened: list[str] = []
        self.closed: list[str] = []
        really_open, really_close = Account.open, Account.aclose

        async def open_it(settings: Any, **more: Any) -> Account:
            if settings.name == unopenable:
                raise DispatcherError(Reason.TLS, "no certificates")
            self.opened.append(settings.name)
            return await really_open(settings, **more)

        async def close_it(account: Account) -> None:
            self.closed.append(account.settings.name)
            await really_close(account)

        monkeypatch.setattr(Account, "open", open_it)
        monkeypatch.setattr(Account, "aclose", close_it)


def accounts(rig: Rig, *names: str, rate: float = 10.0) -> list[dict[str, object]]:
    common = {"base_url": "http://upstream.test", "api_key_file": str(rig.key_file), "max_requests_per_second": rate}
    return [{"name": name, **common} for name in names]


async def test_an_account_that_cannot_be_opened_leaves_everything_as_it_was(
    rig: Rig, monkeypatch: pytest.MonkeyPatch
) -> None:
    ids, _ = rig.submit(3, latency_seconds=900)
    groups: dict[str, Any] = {"renders": {"account": "first", "static_configs": [{"task_ids": ids[:2]}]}}
    rig.configure(groups=groups, accounts=accounts(rig, "first"))
    exporter = await rig.start()
    await rig.advance(10)
    before = exporter.settings
    known = {task.number for task in exporter.tasks.views(limit=10)}
    opened = Opened(monkeypatch, unopenable="broken")

    groups = {"renders": {"account": "good", "static_configs": [{"task_ids": ids}]}}
    rig.configure(groups=groups, accounts=accounts(rig, "first", "good", "broken", rate=1.0))
    with pytest.raises(ConfigError, match="account broken: no certificates"):
        await exporter.reload()

    assert (opened.opened, opened.closed) == (["good"], ["good"])
    assert exporter.settings is before
    assert {task.number for task in exporter.tasks.views(limit=10)} == known
    assert exporter.accounts.account("first").settings.max_requests_per_second == 10.0
    with pytest.raises(KeyError):
        exporter.accounts.account("good")
    requests = rig.requests
    await rig.advance(200, step=5)
    assert rig.requests > requests, "and it is polled on"
    assert exporter.faults == ()


async def test_a_plan_puts_settings_accounts_and_lists_in_force(rig: Rig) -> None:
    ids, _ = rig.submit(4, latency_seconds=900)
    rig.configure(groups={"renders": ids[:2]}, accounts=accounts(rig, "first"))
    exporter = await rig.start()
    wanted: dict[str, Any] = {"renders": {"account": "second", "static_configs": [{"task_ids": ids[2:]}]}}
    rig.configure(groups=wanted, accounts=accounts(rig, "second"), **{"global": {"retention": "5m"}})

    await exporter.reload()

    assert exporter.settings.globals.retention == 300.0
    assert [str(task.state.ref) for task in exporter.tasks.views(limit=10)] == ids[2:]
    assert [view.name for view in exporter.accounts.views()] == ["second"]
    await rig.advance(10)
    assert rig.page().by("account", "bytespike_tasks") == {"second": 2.0}


async def test_unchanged_groups_keep_their_tasks_as_they_are(rig: Rig) -> None:
    ids, _ = rig.submit(4, latency_seconds=900)
    rig.configure(groups={"kept": ids[:2], "changed": ids[2:]})
    exporter = await rig.start()
    await rig.advance(10)
    before = {task.number: task.state for task in exporter.tasks.views(limit=10)}
    rig.configure(groups={"kept": ids[:2], "changed": {"model": "veo", "static_configs": [{"task_ids": ids[2:]}]}})

    await exporter.reload()

    views = exporter.tasks.views(limit=10)
    assert {task.number: task.state for task in views} == before, "a relabelled task goes on as well"
    assert [task.labels.model for task in views] == ["", "", "veo", "veo"]


async def test_other_limits_hold_for_tasks_that_are_followed_already(rig: Rig) -> None:
    ids, _ = rig.submit(3, latency_seconds=900)
    group = {"api_config": {}, "model": "own"}
    rig.configure(groups={"open": group}, **{"global": {"label_values": {"limit": 2}}})
    exporter = await rig.start()
    models = [f"model-{each}" for each in ids]
    await exporter.registrations.register(
        [
            Registration("open", TaskRef("default", each), 0.0, model=model)
            for each, model in zip(ids, models, strict=True)
        ]
    )
    assert {labels.model for labels in exporter.tasks.label_sets} == {models[0], "other"}

    rig.configure(groups={"open": group})
    await exporter.reload()
    assert {labels.model for labels in exporter.tasks.label_sets} == set(models)
