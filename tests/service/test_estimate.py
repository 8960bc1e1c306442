"""What ``check-config --estimate`` says: requests by hand, series against pages that are as full as they can be."""

from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path

import pytest
from msgspec import structs
from prometheus_client.samples import Sample

from exporter.accounting.totals import Totals
from exporter.dispatcher.answer import Quota
from exporter.metrics.events import count_no_requests, count_outcome
from exporter.metrics.exposition import render, standard_collectors
from exporter.metrics.snapshot import AccountView, Snapshot, SourceView
from exporter.service.estimate import AccountEstimate, Estimate, estimate
from exporter.service.reload import configured_labels
from exporter.settings.load import load, parse
from exporter.settings.model import Settings
from exporter.tasks.census import Census
from exporter.tasks.item import TaskLabels
from exporter.tasks.observation import TERMINAL, Output, Status
from tests.metrics.snapshots import NOW, busy, completed, failed, task
from tests.service.rig import Rig
from tests.support.scraped import Scraped


def settings(text: str) -> Settings:
    return parse(text, file="exporter.yml", base=Path("/etc"))


def tasks(count: int) -> str:
    return "[" + ", ".join(f"task_{at}" for at in range(count)) + "]"


# ---- requests --------------------------------------------------------------------------------------------------------


def test_nothing_to_follow() -> None:
    found = estimate(settings("accounts: [{name: a, api_key_env: A}]"))

    assert found.accounts == (AccountEstimate("a", 0, 0, 0, 0, allowed=10, when_slow=0.2, interval=0),)
    assert found.label_sets == 0
    assert found.series == found.exporter_series


def test_requests() -> None:
    found = estimate(
        settings(f"""\
accounts: [{{name: a, api_key_env: A, max_requests_per_second: 2, max_in_flight: 4, timeout: 10s}}]
task_groups:
  - {{name: g, static_configs: [{{task_ids: {tasks(20)}, out_task_ids: [x]}}]}}
  - {{name: h, poll: {{min_interval: 10s, max_interval: 20s}}, static_configs: [{{task_ids: {tasks(10)}}}]}}
""")
    ).accounts[0]

    assert found == AccountEstimate(
        name="a",
        tasks=31,
        wanted=21 / 5 + 10 / 10,
        least=21 / 300 + 10 / 20,
        most=21 / 2 + 10 / 10,
        allowed=2,
        when_slow=0.4,
        interval=15.5,
        adaptive=21 / 5 + 10 / 10,
    )
    assert not found.fits


def test_requests_by_strategy() -> None:
    found = estimate(
        settings(f"""\
accounts: [{{name: a, api_key_env: A}}]
task_groups:
  - {{name: g, poll: {{strategy: eta}}, static_configs: [{{task_ids: {tasks(20)}}}]}}
  - {{name: h, static_configs: [{{task_ids: {tasks(10)}}}]}}
""")
    ).accounts[0]

    assert (found.wanted, found.adaptive) == (6.0, 2.0), "as many as the published cadence asks for"


@pytest.mark.parametrize(
    ("poll", "interval"),
    [("{}", 5.0), ("{default_eta: 6s}", 2.0), ("{default_eta: 1h}", 300.0), ("{polls_per_eta: 3}", 10.0)],
)
def test_the_interval_is_the_published_one(poll: str, interval: float) -> None:
    text = f"accounts: [{{name: a, api_key_env: A}}]\ntask_groups: [{{name: g, poll: {poll}, static_configs: "
    account = estimate(settings(f"{text}[{{task_ids: [t]}}]}}]")).accounts[0]

    assert account.wanted == pytest.approx(1 / interval)
    assert account.fits


# ---- series ----------------------------------------------------------------------------------------------------------

ONE_SET = """\
accounts: [{name: default, api_key_env: A}]
task_groups: [{name: renders, static_configs: [{task_ids: [a]}]}]
"""


def test_each_named_label_set_has_its_series() -> None:
    found = estimate(
        settings(f"""\
global: {{labels: [team], label_values: {{limit: 4}}}}
accounts: [{{name: a, api_key_env: A}}, {{name: b, api_key_env: B}}]
task_groups:
  - name: g
    account: a
    static_configs:
      - {{task_ids: {tasks(2)}}}
      - {{task_ids: [x], model: sora-2}}
      - {{task_ids: [y], labels: {{team: video}}}}
  - {{name: h, account: b}}
""")
    )
    single = estimate(settings(ONE_SET))

    assert (found.label_sets, found.open_groups) == (4, ())
    assert found.aggregate_series == 4 * single.aggregate_series
    assert found.error_code_series == 4 * (4 + 2)
    assert found.task_series == 4 * single.task_series


@pytest.mark.parametrize(
    "source",
    [
        "api_config: {}",
        "callback_config: {secret_file: hook}",
        "file_sd_configs: [{files: [a]}]",
        "http_sd_configs: [{url: 'http://app'}]",
    ],
)
def test_tasks_from_elsewhere_may_fill_the_limits(source: str) -> None:
    groups = f"task_groups: [{{name: g, {source}}}, {{name: h, static_configs: [{{task_ids: [a]}}]}}]"
    found = estimate(
        settings(f"global: {{label_sets: {{limit: 7}}}}\naccounts: [{{name: a, api_key_env: A}}]\n{groups}")
    )

    assert found.open_groups == ("g",)
    assert found.label_sets == 7 + 1 + 1  # the limit of the open group, what folds there, and that of the other one
    assert (
        found.error_code_series == 2 * 7 + 9 * 2
    )  # in each group so many pairs of a set and a code; two codes in all sets
    assert found.task_series == 1000 * estimate(settings(ONE_SET)).task_series


def test_the_limit_of_single_tasks_holds() -> None:
    text = ONE_SET.replace("[a]", tasks(9))

    limited = estimate(settings("global: {task_series: {limit: 3}}\n" + text))

    assert limited.task_series == 3 * estimate(settings(ONE_SET)).task_series
    assert estimate(settings(text)).task_series == 3 * limited.task_series


# ---- a page as it comes ----------------------------------------------------------------------------------------------


def count(samples: Iterable[Sample], prefix: str) -> int:
    return sum(sample.name.startswith(prefix) for sample in samples)


def assert_holds(found: Estimate, samples: Iterable[Sample], *, closeness: float) -> None:
    """No part of the page has more series than was estimated; what depends on the tasks is as close as that."""
    samples = list(samples)
    aggregates, single = count(samples, "bytespike_tasks"), count(samples, "bytespike_task_")
    bound = found.aggregate_series + found.error_code_series
    assert closeness * bound <= aggregates <= bound
    assert closeness * found.task_series <= single <= found.task_series
    assert closeness * found.exporter_series <= len(samples) - aggregates - single <= found.exporter_series


def page(snapshot: Snapshot) -> Scraped:
    return Scraped(render(snapshot, collectors=standard_collectors()).body.decode())


BUSY = """\
global: {labels: [team], label_values: {limit: 1}}
accounts: [{name: default, api_key_env: A}]
task_groups:
  - name: renders
    model: sora-2-pro
    labels: {team: video}
    static_configs: [{task_ids: [task_A, task_C], out_task_ids: [my-render]}]
  - {name: stills, model: seedream-v4, labels: {team: print}, proxy_config: {}}
proxy: {}
"""


def test_a_busy_afternoon() -> None:
    assert_holds(estimate(settings(BUSY)), page(replace(busy(), sources=())), closeness=0.7)


FULL = """\
global: {labels: [team], label_values: {limit: 2}, label_sets: {limit: 3}, task_series: {limit: 4}}
accounts: [{name: default, api_key_env: A}]
task_groups:
  - name: renders
    file_sd_configs: [{files: [a]}]
    http_sd_configs: [{url: "http://app"}]
    api_config: {}
    proxy_config: {}
    stream: true
proxy: {}
"""


def full(wanted: Settings) -> Snapshot:
    """A page on which every limit is reached and everything that can be known is known."""
    named = tuple(configured_labels(wanted))
    others = [("sora", "a"), ("veo", "a"), ("other", "other")]
    sets = [*named, *(TaskLabels("default", "renders", model, (("team", team),)) for model, team in others)]
    aggregates = Totals()
    aggregates.publish(count_no_requests("default", "tasks/stream"))
    for labels in sets:
        outputs = tuple(Output(kind, 1.0) for kind in ("video", "image", "audio", "hologram"))
        aggregates.publish(*count_outcome(labels, structs.replace(completed("task", 9.0), outputs=outputs)))
        for status in TERMINAL:
            aggregates.publish(*count_outcome(labels, structs.replace(completed("task", 9.0), status=status)))
        for code in ("other", None):
            aggregates.publish(*count_outcome(labels, failed("task", code), error_code=code))
    for labels, code in ((sets[0], "one"), (sets[0], "two"), (sets[1], "one")):
        aggregates.publish(*count_outcome(labels, failed("task", code), error_code=code))
    ended = {"eta_seconds": 9.0, "credits_estimated": 1.0, "credits_used": 1.0, "duration": 9.0, "error_code": "one"}
    return replace(
        busy(),
        known=named,
        totals=aggregates.view(),
        census=Census(
            at=NOW,
            counts={(labels, status): 1 for labels in sets for status in Status},
            outstanding_credits=dict.fromkeys(sets, 1.0),
            overdue=dict.fromkeys(sets, 1),
            oldest={(labels, status): NOW for labels in sets for status in (Status.PENDING, Status.RUNNING)},
            listed=tuple((sets[0], task(f"task_{at}", Status.FAILED, **ended)) for at in range(4)),
            unlisted=9,
        ),
        accounts=(
            AccountView(
                "default",
                last_success_at=NOW,
                suspended="internal",
                quota=Quota(1.0, 1.0, 1.0, 1.0, NOW),
                attainable_interval=1.0,
            ),
        ),
        sources=tuple(SourceView("renders", mechanism, NOW) for mechanism in ("file_sd", "http_sd", "api")),
    )


def test_every_limit_reached() -> None:
    wanted = settings(FULL)

    assert_holds(estimate(wanted), page(full(wanted)), closeness=0.9)


@pytest.mark.slow
async def test_no_scrape_has_more_series_than_was_estimated(rig: Rig) -> None:
    ids, _ = rig.submit(30, latency_seconds=5, spread_seconds=20, failure_ratio=0.3, cancel_ratio=0.1)
    targets = [{"task_ids": ids[i::3], "model": f"model-{i}"} for i in range(3)]
    rig.configure(
        groups={"renders": {"static_configs": targets}},
        **{"global": {"label_values": {"limit": 4}}},
    )
    found = estimate(load(rig.config_file))
    await rig.start()
    await rig.advance(40)

    standard = [metric for collector in standard_collectors() for metric in collector.collect()]
    samples = [*rig.page(), *(sample for metric in standard for sample in metric.samples)]
    assert_holds(found, samples, closeness=0.6)
