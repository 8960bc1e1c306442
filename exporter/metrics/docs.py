"""The page that documents every family: ``python -m exporter.metrics.docs > docs/metrics.md``."""

import sys
from collections.abc import Iterable, Iterator

from exporter.metrics.catalogue import FAMILIES
from exporter.metrics.families import api, own, proxy, task, tasks
from exporter.metrics.family import Family, Histogram, Scope, declared
from exporter.metrics.limits import MAX_BYTES, MAX_SET_BYTES

INTRODUCTION = """\
# Metrics

This page is generated from the catalogue in `exporter/metrics/families/` by `python -m exporter.metrics.docs`; a test
compares the two. A scrape never calls the API: it renders one snapshot of what background polling has observed.

*Task labels* are `account`, `group`, `model` and the user labels that the configuration declares under
`global.labels`. A label without a value is exported as an empty string, which to Prometheus is no label.

`stable` families keep their name, labels and meaning within a major version. `experimental` ones may change in a minor
version, which the changelog then says.
"""

RULES = f"""\
## What to rely on

- **Resets.** Counters and histograms of tasks show only what the ledger has committed and go on from there after a
  restart: they do not reset. The exporter's own counters (`bytespike_api_…`, `bytespike_exporter_…`) do the same, but
  while the ledger fails they show what is not committed yet, and a restart then loses that part.
- **Removed things.** The totals of a group or an account that is no longer configured are kept and not shown; they go
  on where they were when it comes back.
- **Label changes.** Totals are kept under the labels that a task had when it ended. Where `global.labels` no longer
  declares a label, its series are added up; a label that was declared later is empty in what was counted before.
- **Zeros.** Known label values are shown from 0 on, so that `rate` and `increase` see the first event. An error code
  that was never seen before is shown at 0 by one scrape before it counts, for the same reason, across restarts, too;
  for that one scrape `{tasks.FAILED.name}` is behind `{tasks.FINISHED.name}`. Whoever asks for the page first
  has that scrape: of two Prometheus servers, the other may see the code begin with its count.
- **Followed.** A task counts in `{tasks.FOLLOWED.name}` with the first answer that tells of it (or when it is
  given up as not found), for not before then is it known that two names are not one task. Under labels that the
  configuration does not name and nothing was counted under yet, it counts with its start or its end: what only comes
  and goes leaves no series behind. Its end may count under other labels, where a reload has changed them meanwhile,
  and alone, where `ledger retire` has deleted the rest.
- **Absence.** What is not known is absent: never -1, never NaN. No sample carries a timestamp of its own.
- **Bounds.** `model`, `error_code` and each user label take at most `global.label_values.limit` values each; whatever
  comes later is `other`. In each group there are at most `global.label_sets.limit` combinations of task labels, beyond
  which `model` and every user label of a new one are `other`, and as many combinations of one with an `error_code`,
  beyond which the code is `other`. What the configuration names has its place in any case, and so has what has been
  counted once: such series keep their names. A combination that neither a task nor a total carries any more gives its
  place back. A value of more than {MAX_BYTES} bytes is `other` too, and so is a combination of more than
  {MAX_SET_BYTES}. `{own.LABELS_OVERFLOWED.name}` counts by `limit` what became `other`. Per-task series
  exist for at most `global.task_series.limit` tasks; `{own.TASK_SERIES_DROPPED.name}` says how many have
  none.
- **Retention.** A finished task stays in `{tasks.BY_STATUS.name}` and in its own series for `global.retention`.
- **Exemplars.** In OpenMetrics, `{tasks.DURATION.name}` and `{tasks.FAILED.name}` name a task in
  `task_id`. `_created` samples are never exported.
- **State set.** `{task.STATUS.name}` has one series for each status, of which exactly one is 1. Its type is gauge,
  for its label is called `status` in both formats.
- **Credits** are exported as the API gives them. Its documentation says that 1 USD is 1,000,000 credits, while every
  amount that it publishes is of the size of USD.
"""

SECTIONS = (
    (f"`{tasks.BY_STATUS.name}…`: all tasks of one set of labels", declared(tasks)),
    ("`bytespike_task_…`: one task", declared(task)),
    (f"`{api.UP.name}`, `bytespike_api_…`: the API", declared(api)),
    ("`bytespike_proxy_…`: the sidecar", declared(proxy)),
    ("`bytespike_exporter_…`: the exporter itself", declared(own)),
)

STANDARD = """\
Beside these there are the standard `process_…` and `python_…` families of the Prometheus client library.
"""


def page() -> str:
    """The whole page, in Markdown."""
    blocks = [INTRODUCTION, *(_section(title, families) for title, families in SECTIONS), STANDARD]
    return "\n".join([*blocks, _buckets(), RULES])


def _section(title: str, families: Iterable[Family]) -> str:
    return "\n".join([f"## {title}", "", *_table(families), ""])


def _table(families: Iterable[Family]) -> Iterator[str]:
    yield "| name | type | labels | unit | stability | meaning |"
    yield "|---|---|---|---|---|---|"
    for family in families:
        cells = (f"`{family.name}`", family.type, _labels(family), family.unit, family.stability, family.help)
        yield f"| {' | '.join(cells)} |"


def _labels(family: Family) -> str:
    if family.scope in (Scope.TASKS, Scope.TASK):
        more = [f"`{name}`" for name in family.label_names()[3:]]
        return ", ".join(["*task labels*", *more])
    return ", ".join(f"`{name}`" for name in family.label_names())


def _buckets() -> str:
    rows = (f"| `{family.name}` | {_bounds(family)} |" for family in FAMILIES if isinstance(family, Histogram))
    return "\n".join(["## Buckets", "", "| histogram | upper bounds, +Inf aside |", "|---|---|", *rows, ""])


def _bounds(family: Histogram) -> str:
    return ", ".join(f"{le:g}" for le in family.buckets)


if __name__ == "__main__":
    sys.stdout.write(page())
