"""Accounts that another exporter follows: who owns them, and what the ledger says of their tasks."""

from collections.abc import Mapping, Sequence

from exporter.registration.registry import Registry
from exporter.replicas.lease import Member
from exporter.service.elsewhere import Elsewhere, Owner
from exporter.settings.model import AccountSettings, ApiConfigSettings, GroupSettings, Settings
from exporter.settings.reload import CurrentSettings
from exporter.tasks.identity import TaskRef
from exporter.tasks.item import Item, Registration, TaskLabels
from exporter.tasks.observation import Status
from exporter.tasks.state import TaskState, begin

ACCOUNTS = ("blue", "green", "red")
SETTINGS = Settings(
    accounts=tuple(AccountSettings(name, "https://api.example") for name in ACCOUNTS),
    task_groups=(GroupSettings("renders", "green", model="veo", api_config=ApiConfigSettings()),),
)
T0 = 1_780_000_000.0


class Bench:
    """An exporter that follows ``blue``, where another one owns ``green``, and nobody ``red``."""

    def __init__(self, *states: TaskState) -> None:
        self.registry = Registry()
        self.asked: list[TaskRef] = []
        self._states = states
        self.elsewhere = Elsewhere(
            settings=CurrentSettings(SETTINGS),
            registry=self.registry,
            ledger=self,
            follows=lambda account: account == "blue",
            other_owner=lambda account: Member("a/b/15000/00", "http://two:9877", 3) if account == "green" else None,
        )

    async def kept(self, refs: Sequence[TaskRef]) -> Mapping[TaskRef, TaskState]:
        self.asked += refs
        return {ref: state for ref in refs for state in self._states if ref in state.ref.each()}


def state(account: str, task_id: str, out_task_id: str | None = None) -> TaskState:
    ref = TaskRef(account, task_id, out_task_id)
    return begin(Item(ref, TaskLabels(account, "")), now=T0)


def test_every_account_that_is_not_followed_is_named() -> None:
    assert Bench().elsewhere.accounts() == {"green": Owner("a/b", "http://two:9877"), "red": None}


async def test_what_is_followed_here_is_not_looked_up() -> None:
    bench = Bench(state("blue", "t"))
    assert await bench.elsewhere.find([TaskRef("blue", "t")]) == ()
    assert bench.asked == []


async def test_a_task_is_found_by_either_id_with_what_its_registration_says() -> None:
    bench = Bench(state("green", "t", "x"))
    bench.registry.add([Registration("renders", TaskRef("green", None, "x"), T0)])
    by_either = [TaskRef("green", "t"), TaskRef("green", None, "x")]

    [found] = await bench.elsewhere.find(by_either)

    assert found.owner == Owner("a/b", "http://two:9877")
    assert found.task.labels == TaskLabels("green", "renders", "veo")
    assert (found.task.sources, found.task.state.ref) == (("renders/api",), TaskRef("green", "t", "x"))


async def test_what_was_just_registered_is_there_before_anybody_has_seen_it() -> None:
    bench = Bench()
    bench.registry.add([Registration("renders", TaskRef("green", "t"), T0, "sora-2")])
    [found] = await bench.elsewhere.find([TaskRef("green", "t")])
    assert (found.task.state.status, found.task.state.first_seen_at) == (Status.UNOBSERVED, T0)
    assert found.task.labels.model == "sora-2"


async def test_a_task_that_a_list_names_has_no_group_here_and_one_that_nobody_knows_is_none() -> None:
    bench = Bench(state("red", "t"))
    [found] = await bench.elsewhere.find([TaskRef("green", "t"), TaskRef("red", "t")])
    assert (found.task.labels, found.task.sources, found.owner) == (TaskLabels("red", ""), (), None)
    assert await bench.elsewhere.find([TaskRef("green", "no such")]) == []
