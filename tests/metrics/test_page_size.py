"""How large a page strangers can make, whatever they register and whatever becomes of it."""

from collections import Counter, defaultdict
from itertools import product

import pytest

from exporter.accounting.totals import Totals
from exporter.dispatcher.answer import Drift, Quota, Reason
from exporter.metrics.catalogue import BY_NAME, lines_of
from exporter.metrics.events import count_outcome, count_queue, count_request
from exporter.metrics.exposition import render
from exporter.metrics.family import Scope
from exporter.metrics.limits import LabelLimits
from exporter.metrics.snapshot import AccountView, Snapshot, SourceView
from exporter.tasks.census import Census
from exporter.tasks.identity import TaskRef
from exporter.tasks.item import TaskLabels
from exporter.tasks.observation import Outcome, Output, Status
from tests.metrics.snapshots import BUILD, NOW, completed, task

SETS, VALUES, LISTED = 60, 45, 20
GROUPS = (TaskLabels("default", "renders"), TaskLabels("default", "stills"))

PRODUCT = [
    TaskLabels("default", group, f"model-{model}", (("team", f"team-{team}"), ("tier", f"tier-{team % 7}")))
    for group, model, team in product(("renders", "stills"), range(50), range(40))
]
"""2,000 tasks in each of two groups, no two of a group with the same labels."""


def lines(snapshot: Snapshot) -> Counter[str]:
    """The samples of the page by family."""
    found: Counter[str] = Counter()
    for line in render(snapshot).body.decode().splitlines():
        if not line.startswith("#"):
            name = line.partition("{")[0].partition(" ")[0]
            base = name if name in BY_NAME else name.rpartition("_")[0]
            found[base] += 1
    return found


@pytest.fixture(scope="module")
def crowded() -> Snapshot:
    """All these tasks, of which every other one failed with a code that few share, and the rest came out well."""
    limits, aggregates = LabelLimits(), Totals()
    known = limits.configure(GROUPS, label_names=("team", "tier"), label_values=VALUES, label_sets=SETS)
    with limits.admission() as admit:
        admitted = [admit(labels) for labels in PRODUCT]
    for number, labels in enumerate(admitted):
        outcome = completed(f"task_{number}", 31.0, outputs=tuple(map(Output, ("video", "hologram"))))
        code = None
        if number % 2:
            outcome = Outcome(TaskRef("default", f"task_{number}"), Status.FAILED, NOW, error_code=f"e{number % 101}")
            code = limits.admit_error_code(labels, outcome.error_code or "")
        aggregates.publish(*count_outcome(labels, outcome, error_code=code))
    statuses: defaultdict[tuple[TaskLabels, Status], int] = defaultdict(int)
    for labels, status in product(admitted, Status):
        statuses[labels, status] += 1
    listed = [(labels, task(f"task_{number}", Status.PENDING)) for number, labels in enumerate(admitted[:LISTED])]
    oldest = {(labels, status): NOW for labels in admitted for status in (Status.PENDING, Status.RUNNING)}
    return Snapshot(
        census=Census(NOW, statuses, {}, {}, oldest, tuple(listed), len(admitted) - LISTED),
        build=BUILD,
        label_names=("team", "tier"),
        known=known,
        totals=aggregates.view(),
        accounts=(AccountView("default"),),
    )


def test_the_product_of_labels_is_bounded(crowded: Snapshot) -> None:
    sets = len(GROUPS) * (SETS + 1)  # and the one that takes the rest
    error_codes = len(GROUPS) * SETS + 2 * sets  # and other and unknown beside each set
    bound = sets * lines_of(Scope.TASKS) + error_codes + LISTED * lines_of(Scope.TASK)
    bound += lines_of(Scope.ACCOUNT) + lines_of(Scope.EXPORTER)
    shown = lines(crowded).total()
    assert bound / 2 < shown <= bound
    assert bound < len(PRODUCT) * lines_of(Scope.TASKS) / 20, "far from the product"


def test_all_that_happened_is_still_counted(crowded: Snapshot) -> None:
    page = render(crowded, names=["bytespike_tasks_finished_total"]).body.decode()
    assert sum(float(line.split()[-1]) for line in page.splitlines() if not line.startswith("#")) == len(PRODUCT)


def test_lines_of_one_label_set_are_those_of_the_catalogue() -> None:
    """All that can happen happened to one set of labels: it has exactly as many lines as the catalogue says."""
    labels, aggregates = GROUPS[0], Totals()
    outputs = tuple(map(Output, ("video", "image", "audio", "hologram")))
    for status in Status:
        outcome = completed("task_A", 31.0, outputs=outputs)
        if status.is_terminal:
            aggregates.publish(*count_outcome(labels, outcome if status is Status.COMPLETED else ended(status)))
    aggregates.publish(count_queue(labels, 7.0))
    refused = task("task_A", Status.FAILED, eta_seconds=1.0, credits_estimated=1.0, credits_used=1.0, duration=1.0)
    snapshot = Snapshot(
        census=Census(
            NOW,
            {(labels, status): 1 for status in Status},
            {labels: 1.0},
            {labels: 1},
            {(labels, Status.PENDING): NOW, (labels, Status.RUNNING): NOW},
            listed=((labels, refused),),
        ),
        build=BUILD,
        known=(labels,),
        totals=aggregates.view(),
    )
    found = lines(snapshot)
    by_scope = {scope: sum(n for name, n in found.items() if BY_NAME[name].scope is scope) for scope in Scope}
    assert by_scope[Scope.TASKS] == lines_of(Scope.TASKS) + 1  # for error_code="unknown"
    assert by_scope[Scope.TASK] == lines_of(Scope.TASK)


def test_lines_of_an_account_and_of_a_source_are_those_of_the_catalogue() -> None:
    aggregates = Totals()
    for endpoint, reason in product(("tasks/query", "tasks/stream"), Reason):
        aggregates.publish(count_request("default", endpoint, seconds=0.1, failure=reason, drift=Drift))
    snapshot = Snapshot(
        census=Census(NOW, {}, {}, {}, {}),
        build=BUILD,
        totals=aggregates.view(),
        accounts=(
            AccountView("default", last_success_at=NOW, oldest_due_at=NOW, quota=Quota(1.0, 1.0, 1.0, 1.0, NOW)),
        ),
        sources=(SourceView("renders", "file_sd", NOW), SourceView("renders", "file_sd", NOW)),
    )
    found = lines(snapshot)
    by_scope = {scope: sum(n for name, n in found.items() if BY_NAME[name].scope is scope) for scope in Scope}
    assert by_scope[Scope.ACCOUNT] == lines_of(Scope.ACCOUNT)
    assert by_scope[Scope.SOURCE] == lines_of(Scope.SOURCE)


def ended(status: Status) -> Outcome:
    return Outcome(TaskRef("default", "task_A"), status, NOW, duration=1.0, credits_used=1.0)
