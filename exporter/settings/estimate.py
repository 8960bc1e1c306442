"""How far a configuration can reach: requests per second and series, before anything runs."""

from dataclasses import dataclass

from exporter.settings.model import AccountSettings, GroupSettings, PollSettings, Settings


@dataclass(frozen=True, slots=True)
class SeriesCost:
    """Series that one thing costs at most. The defaults follow the documented families.

    A histogram of b buckets costs b + 3: its buckets, +Inf, sum and count.

    ``per_label_set`` is of one distinct (account, group, model, user labels): 7 statuses, 4 outcomes, 4 of credits
    used, 2 of credits estimated, the overdue, 2 of the oldest, 4 output types, the video seconds, and 5 histograms of
    14 buckets (3 durations, queue, ETA ratio). ``per_error_code`` is of one error code within one label set.
    ``per_task`` is of one task: 7 statuses, elapsed, ETA, 2 of credits, the error. ``per_account`` is requests,
    failures, latency, quotas, suspension, drift and the exporter's own; ``per_stream_account`` is what streams add to
    the first three of one that has any. ``fixed`` is process, Python, ledger, reload.
    """

    per_label_set: int = 110
    per_error_code: int = 1
    per_task: int = 12
    per_account: int = 100
    per_stream_account: int = 33
    fixed: int = 60


@dataclass(frozen=True, slots=True)
class AccountEstimate:
    """Requests per second of one account while every task that the file names is open.

    ``wanted`` is at ``default_eta``; ``least`` and ``most`` are at the longest and the shortest interval allowed.
    ``allowed`` is the hard limit; ``when_slow`` is what is left of it while each request takes its whole timeout.
    ``interval`` is the best mean interval (seconds) between two polls of one task under the limit.
    """

    name: str
    tasks: int
    wanted: float
    least: float
    most: float
    allowed: float
    when_slow: float
    interval: float

    @property
    def fits(self) -> bool:
        """Whether the limit lets every task be polled as often as wanted."""
        return self.wanted <= self.allowed


@dataclass(frozen=True, slots=True)
class Estimate:
    """Upper bounds. ``open_groups`` also take tasks from elsewhere, which nobody can foresee: they are not counted."""

    accounts: tuple[AccountEstimate, ...]
    label_sets: int
    aggregate_series: int
    error_code_series: int
    task_series: int
    exporter_series: int
    open_groups: tuple[str, ...] = ()

    @property
    def series(self) -> int:
        """All series of one scrape, at most."""
        return self.aggregate_series + self.error_code_series + self.task_series + self.exporter_series


def estimate(settings: Settings, cost: SeriesCost = SeriesCost()) -> Estimate:
    """How many series and requests per second these settings can reach."""
    label_sets = len({labels for group in settings.task_groups for labels in _label_sets(group)})
    tasks = sum(_tasks(group) for group in settings.task_groups)
    error_codes = settings.label_values_limit + 1  # and "other"
    open_groups = tuple(group.name for group in settings.task_groups if _is_open(group))
    return Estimate(
        accounts=tuple(_account(account, settings) for account in settings.accounts),
        label_sets=label_sets,
        aggregate_series=label_sets * cost.per_label_set,
        error_code_series=label_sets * error_codes * cost.per_error_code,
        task_series=(settings.task_series_limit if open_groups else min(settings.task_series_limit, tasks))
        * cost.per_task,
        exporter_series=len(settings.accounts) * cost.per_account
        + len({group.account for group in settings.task_groups if group.stream}) * cost.per_stream_account
        + cost.fixed,
        open_groups=open_groups,
    )


def _account(account: AccountSettings, settings: Settings) -> AccountEstimate:
    groups = [(_tasks(group), group.poll) for group in settings.task_groups if group.account == account.name]
    tasks = sum(count for count, _ in groups)
    allowed = account.max_requests_per_second
    return AccountEstimate(
        name=account.name,
        tasks=tasks,
        wanted=sum(count / _interval(poll) for count, poll in groups),
        least=sum(count / poll.max_interval for count, poll in groups),
        most=sum(count / poll.min_interval for count, poll in groups),
        allowed=allowed,
        when_slow=min(allowed, account.max_in_flight / account.timeout),
        interval=tasks / allowed,
    )


def _interval(poll: PollSettings) -> float:
    return min(max(poll.min_interval, poll.default_eta / poll.polls_per_eta), poll.max_interval)


def _tasks(group: GroupSettings) -> int:
    return sum(len(target.task_ids) + len(target.out_task_ids) for target in group.static_configs)


def _label_sets(group: GroupSettings) -> set[tuple[object, ...]]:
    """The group's own labels always have series: they start at 0."""
    own = (group.account, group.name, group.model, group.labels)
    return {own} | {(group.account, group.name, target.model, target.labels) for target in group.static_configs}


def _is_open(group: GroupSettings) -> bool:
    return bool(group.file_sd_configs or group.http_sd_configs or group.api_config or group.callback_config)
