"""Several replicas, one database and true time: what may go wrong, and what must never be seen.

A process acts in moments of half a second: it asks the store, sends a request for each account it may, commits, and is
scraped. What is checked is checked by true time, which no process knows.
"""

from dataclasses import dataclass, field
from enum import StrEnum
from random import Random

from exporter.replicas.lease import Fence, LeaseError
from exporter.replicas.replica import Replica
from exporter.replicas.steps import Answer, Step
from tests.replicas.model_store import Database, ModelStore, Passage

LEASE = 15.0
LEASES = (LEASE, LEASE, 12.0)
"""Not all have been configured alike."""

REQUEST_TIMEOUT = 4.0
SCRAPE_TIMEOUT = 10.0
MOMENT = 0.5
IDLE_IN_TRANSACTION = 10.0
ROUND_TRIP = 4.5
"""Seconds that a late answer takes; whoever asks gives up a little later."""

OLD_ANSWERS = 5
"""So many answers may come a second time."""


class Way(StrEnum):
    """How it goes between a process and the store."""

    GOOD = "good"
    CUT = "nothing arrives there"
    MUTE = "what is asked is done, and no answer comes back"
    LATE = "what is asked is done, and the answer comes late"
    STUCK = "what is asked is done late, and answered then"
    ADRIFT = "what is asked is given up, and may be done at any time after"


@dataclass(slots=True)
class Commit:
    """A commit that is not known to be durable; ``is_open``: within its transaction."""

    fence: Fence
    content: int
    is_open: bool = False


@dataclass(slots=True)
class Request:
    """A request under way until its sender's clock says ``ends``; an excused one went long after it was allowed to."""

    account: str
    ends: float
    is_excused: bool = False


@dataclass(slots=True)
class Process:
    """One process: its clock, its replica, and what it is about. Its clock goes ``rate`` times as fast as true time."""

    world: "World"
    number: int
    rate: float
    replica: Replica = field(init=False)
    way: Way = Way.GOOD
    loses_commits: bool = False
    is_paused: bool = False
    is_dead: bool = False
    offset: float = 0.0
    waits: tuple[Step, Answer | None] | None = None
    waits_until: float = 0.0
    old_answers: list[tuple[Step, Answer]] = field(default_factory=list)
    commits: dict[str, Commit] = field(default_factory=dict)
    allowed: str | None = None
    requests: list[Request] = field(default_factory=list)
    ending: set[str] = field(default_factory=set)
    durable: set[int] = field(default_factory=set)

    def __post_init__(self) -> None:
        self.offset = self.world.random.uniform(0, 1e6)
        self.start()

    def start(self) -> None:
        """Begin as a new process of the same name, which knows nothing."""
        self.replica = self.world.replica(self)
        self.waits, self.allowed = None, None
        self.old_answers, self.commits, self.ending, self.requests = [], {}, set(), []
        self.is_paused = False

    @property
    def now(self) -> float:
        return self.offset + self.rate * self.world.time

    def set_rate(self, rate: float) -> None:
        self.offset, self.rate = self.now - rate * self.world.time, rate

    def has_sent(self, account: str) -> bool:
        """Whether a request of the account is under way that was allowed when it went."""
        mine = (request for request in self.requests if request.account == account and not request.is_excused)
        return any(request.ends > self.now for request in mine)

    # ---- the listener ------------------------------------------------------------------------------------------------

    def gained(self, account: str) -> None:
        self.world.changes += 1

    def leaving(self, account: str) -> None:
        self.ending.add(account)

    def lost(self, account: str) -> None:
        self.ending.discard(account)
        self.commits.pop(account, None)
        self.world.changes += 1


@dataclass(slots=True)
class World:
    """Everything, and what has been seen of it. The parts of the protocol can be replaced by wrong ones."""

    accounts: tuple[str, ...]
    rates: tuple[float, ...]
    random: Random
    replica_type: type[Replica] = Replica
    store_type: type[ModelStore] = ModelStore
    database_type: type[Database] = Database
    time: float = 0.0
    changes: int = 0
    contents: int = 0
    idle_since: float = 0.0
    adrift: list[Step] = field(default_factory=list)
    shown: dict[str, dict[str, float]] = field(default_factory=dict)
    database: Database = field(init=False)
    store: ModelStore = field(init=False)
    processes: list[Process] = field(init=False)

    def __post_init__(self) -> None:
        self.database = self.database_type()
        self.store = self.store_type(self.database)
        self.processes = [Process(self, number, rate) for number, rate in enumerate(self.rates)]

    def replica(self, process: Process) -> Replica:
        replica = self.replica_type(
            f"replica-{process.number}",
            url="",
            accounts=self.accounts,
            random=self.random,
            lease=LEASES[process.number],
        )
        replica.subscribe(process)
        return replica

    @property
    def alive(self) -> list[Process]:
        return [process for process in self.processes if not process.is_dead]

    # ---- time --------------------------------------------------------------------------------------------------------

    def run(self, seconds: float) -> None:
        """Let true time pass; in each moment everybody who can acts, in any order."""
        for _ in range(round(seconds / MOMENT)):
            self.time += MOMENT
            if self.time - self.idle_since > IDLE_IN_TRANSACTION:
                self.end_transactions()
            for process in self.random.sample(self.alive, len(self.alive)):
                if not process.is_paused:
                    self.act(process)
                self.check_owners()

    def act(self, process: Process) -> None:
        self.talk(process)
        for account in self.accounts:
            self.send(process, account)
            self.commit(process, account)
            self.be_scraped(process, account)
        self.finish(process)
        self.talk(process)

    # ---- with the store ----------------------------------------------------------------------------------------------

    def talk(self, process: Process) -> None:
        """Put every step that there is, as far as the way lets it."""
        self.hear_late(process)
        while process.waits is None and (step := process.replica.next_step(now=process.now)) is not None:
            if process.way in (Way.LATE, Way.STUCK):
                process.waits = step, self.done(step) if process.way is Way.LATE else None
                process.waits_until = self.time + ROUND_TRIP
            else:
                self.put(process, step)

    def put(self, process: Process, step: Step) -> None:
        answer = None if process.way in (Way.CUT, Way.ADRIFT) else self.done(step)
        if process.way is Way.ADRIFT:
            self.adrift.append(step)
        if answer is not None:
            process.old_answers = [*process.old_answers, (step, answer)][-OLD_ANSWERS:]
        if process.way is Way.GOOD and answer is not None:
            process.replica.answered(step, answer, now=process.now)
        else:
            process.replica.failed(step, now=process.now)

    def done(self, step: Step) -> Answer | None:
        try:
            return step.ask(self.store)
        except LeaseError:
            return None

    def hear_late(self, process: Process) -> None:
        """What is waited for comes in time, or when the process looks at last."""
        if process.waits is None or self.time < process.waits_until:
            return
        (step, answer), process.waits = process.waits, None
        answer = self.done(step) if answer is None else answer
        if answer is None:
            process.replica.failed(step, now=process.now)
        else:
            process.replica.answered(step, answer, now=process.now)

    def repeat_old_answers(self, process: Process) -> None:
        """Answers come that nobody waits for any more, or for the second time."""
        for step, answer in process.old_answers:
            process.replica.answered(step, answer, now=process.now)

    def do_what_is_adrift(self) -> None:
        """What was given up long ago is done now, in any order."""
        self.random.shuffle(self.adrift)
        for step in self.adrift:
            self.done(step)
        self.adrift.clear()

    # ---- requests ----------------------------------------------------------------------------------------------------

    def send(self, process: Process, account: str) -> None:
        """Send a request if that is allowed, and check that nobody else's is under way."""
        is_excused = process.allowed == account
        if not is_excused and not process.replica.may_send(account, REQUEST_TIMEOUT, now=process.now):
            return
        process.allowed = None if is_excused else process.allowed
        if not is_excused:
            others = [other for other in self.processes if other is not process]
            assert not any(other.has_sent(account) for other in others), f"two have requests of {account} under way"
        process.requests.append(Request(account, process.now + REQUEST_TIMEOUT, is_excused))

    def pause_before_sending(self, process: Process, account: str) -> None:
        """Pause it after it was allowed to send, and before it does."""
        if process.replica.may_send(account, REQUEST_TIMEOUT, now=process.now):
            process.allowed, process.is_paused = account, True

    # ---- commits -----------------------------------------------------------------------------------------------------

    def commit(self, process: Process, account: str) -> None:
        """Commit something new, or the same as before where it is not known what became of it."""
        commit = process.commits.get(account) or self.new_commit(process, account)
        if commit is None or process.way in (Way.CUT, Way.STUCK, Way.ADRIFT):
            return
        try:
            passage = Passage.OPEN if commit.is_open else self.database.lock(commit.fence)
            if passage is Passage.OPEN:
                commit.is_open = False
                self.database.commit(commit.fence, commit.content)
        except LeaseError:
            commit.is_open = False
            return
        if process.loses_commits or process.way is Way.MUTE:
            return  # the answer is lost
        self.believe(process, commit, passage)

    def believe(self, process: Process, commit: Commit, passage: Passage) -> None:
        process.commits.pop(commit.fence.account)
        if passage is Passage.LOST:
            process.replica.refused(commit.fence)
        else:
            process.durable.add(commit.content)
            process.replica.committed(commit.fence)

    def new_commit(self, process: Process, account: str) -> Commit | None:
        fence = process.replica.fence(account)
        if fence is None or account in process.ending:
            return None
        self.contents += 1
        process.commits[account] = Commit(fence, self.contents)
        return process.commits[account]

    def pause_in_transaction(self, process: Process, account: str) -> None:
        """Pause it within a commit, whose row it holds."""
        commit = process.commits.get(account) or self.new_commit(process, account)
        try:
            if commit is not None and self.database.lock(commit.fence) is Passage.OPEN:
                commit.is_open = process.is_paused = True
                self.idle_since = self.time
        except LeaseError:
            pass

    def end_transactions(self) -> None:
        self.database.roll_back()
        self.idle_since = self.time

    # ---- scrapes -----------------------------------------------------------------------------------------------------

    def be_scraped(self, process: Process, account: str) -> None:
        """Answer a scrape that may have begun a time-out ago: nobody else's sample may be as young as it or younger."""
        if not process.replica.may_show(account, SCRAPE_TIMEOUT, now=process.now):
            return
        seen = self.shown.setdefault(account, {})
        others = [at for owner, at in seen.items() if owner != process.replica.owner]
        assert not others or max(others) <= self.time - SCRAPE_TIMEOUT, f"samples of {account} interleave"
        seen[process.replica.owner] = self.time

    # ---- leaving -----------------------------------------------------------------------------------------------------

    def finish(self, process: Process) -> None:
        """Let go of what is being left, once nothing of it is under way."""
        process.requests = [request for request in process.requests if request.ends > process.now]
        for account in tuple(process.ending):
            is_busy = any(request.account == account for request in process.requests)
            if not is_busy and account not in process.commits:
                process.replica.let_go(account)

    def kill(self, process: Process) -> None:
        """Its requests are not under way any more, its transactions end, its row stays."""
        for account in [account for account, owner in self.database.locks.items() if owner == process.replica.owner]:
            del self.database.locks[account]
        process.requests, process.is_dead = [], True

    def restart(self, process: Process) -> None:
        self.kill(process)
        process.is_dead = False
        process.start()

    # ---- what is checked ---------------------------------------------------------------------------------------------

    def check_owners(self) -> None:
        """Never two that may send for one account at one true instant, whether they run or stand still."""
        for account in self.accounts:
            may = [each.number for each in self.alive if each.replica.may_send(account, 0.0, now=each.now)]
            assert len(may) <= 1, f"{may} may all send for {account}"

    def check_commits(self) -> None:
        """Everything accepted once, what is believed durable accepted, and the owners of an account in order."""
        contents = [accepted.content for accepted in self.database.accepted]
        assert len(contents) == len(set(contents)), "something was counted twice"
        durable = {content for process in self.processes for content in process.durable}
        assert durable <= set(contents), "something is believed to be durable that is not"
        for account in self.accounts:
            terms = [(each.epoch, each.owner) for each in self.database.accepted if each.account == account]
            assert terms == sorted(terms, key=lambda term: term[0]), "a former owner was believed"
            assert len({epoch for epoch, _ in terms}) == len(set(terms)), "two owners have had one epoch"

    def heal(self) -> None:
        """No faults from now on, and those that are alive run."""
        self.database.is_down = False
        self.end_transactions()
        self.do_what_is_adrift()
        for process in self.alive:
            process.way, process.loses_commits, process.is_paused = Way.GOOD, False, False

    def check_that_all_is_owned(self) -> None:
        """Each account has one owner, and nobody has more than its share."""
        staying = [process for process in self.alive if not process.replica.is_drained]
        owners = {
            account: [each.number for each in staying if each.replica.owns(account, now=each.now)]
            for account in self.accounts
        }
        assert all(len(numbers) == 1 for numbers in owners.values()), f"owned by: {owners}"
        share = -(-len(self.accounts) // len(staying))
        for process in staying:
            number = sum(process.number in numbers for numbers in owners.values())
            assert number <= share, f"{process.number} has {number} of {len(self.accounts)}, its share is {share}"
