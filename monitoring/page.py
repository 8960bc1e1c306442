"""The table of alerts: ``python -m monitoring.page > docs/alerts.md``."""

import sys
from collections.abc import Iterator

from monitoring.alerting import alerts, groups
from monitoring.reaction import figures, situations
from monitoring.reaction import page as reaction
from monitoring.rule import Alert, Group

INTRODUCTION = """\
# Alerts

This page is printed by `python -m monitoring.page` from the rules in `monitoring/`; a test compares the two.

`critical` asks somebody to get up, `warning` to look in working hours, `info` to know. `make check` holds
the rules against promtool, pint ([`.pint.hcl`](../.pint.hcl)) and the exporter's own list of metrics, and plays each
scenario of the simulator against the real Prometheus and Alertmanager, sped up: Debian's, and the newest ones.

## Several exporters

One convention holds in every rule and on every dashboard. What is counted (tasks, requests, credits) is **added up**
over the exporters, counters and gauges of tasks alike: each task is followed by one exporter, and more of them share
the work. What describes an account itself (whether it is up or held back, its quota, its limits) is **taken once**, and
where two exporters differ, the worse counts. So give each exporter its own tasks: two that follow the same ones count
everything twice.

Several clusters may share one Alertmanager: give each Prometheus an external label `cluster`
([`prometheus.yml`](../config/prometheus/prometheus.yml) shows it). Alerts are grouped by `cluster` and `account`, and
none keeps back an alert of another cluster.

## Other thresholds

Every number that is compared with has a name and its reason in
[`monitoring/thresholds.py`](../monitoring/thresholds.py). To have others, write those alone into a file and print the
rules with it; a name that does not exist is an error that lists those that do:

```console
$ cat values.yml
objective: 0.99
stuck: 6h
grafana: https://grafana.example
exporter: https://exporter.example
$ python -m monitoring.alerting --values values.yml > config/prometheus/rules/alerts.yml
$ python -m monitoring.kubernetes --values values.yml > config/kubernetes/prometheus-rule.yaml
```

`job` is the scrape job's name; the recording rules compare with nothing. `grafana` is what `dashboard_url` begins with:
every alert has that link beside its `runbook_url`, and without a Grafana named it is a path such as
`/d/bytespike-overview?var-account=default`. `exporter` is where a browser reaches the exporter: with it, alerts that
speak of tasks have a `tasks_url`, too, the list of just those tasks on [its own pages](pages.md#links). Without it they
have none: where Prometheus scrapes an exporter is seldom where people reach it, and an alert is added up over several.
It is one address: leave it out where several exporters share the tasks. Runbooks and summaries speak of the shipped
numbers.

## How they end

Every alert ends by itself once its cause is gone, and Alertmanager says so. There is one exception: an alert that ends
while another one keeps it back (`inhibit_rules` in [`alertmanager.yml`](../config/alertmanager.yml)) is not told of as
resolved. Whoever was told of it before closes it together with the one that explained it.
"""

TITLES = {
    "bytespike-outcome-alerts": "Tasks fail, or are lost",
    "bytespike-progress-alerts": "Tasks take too long",
    "bytespike-credit-alerts": "Credits go too fast, or come to an end",
    "bytespike-api-alerts": "The API does not answer, or not as it should",
    "bytespike-sidecar-alerts": "What applications send through the sidecar comes to nothing",
    "bytespike-exporter-alerts": "The exporter does not see, or does not keep, what happens",
    "bytespike-replica-alerts": "Replicas do not share the accounts as they should",
}


def page() -> str:
    """The whole page, in Markdown."""
    sections = (line for group in groups() for line in _section(group))
    measured = reaction.section(figures.load(), tuple(situations.situations()), alerts())
    return "\n".join([INTRODUCTION, *sections, *measured])


def _section(group: Group) -> Iterator[str]:
    yield f"## {TITLES[group.name]}"
    yield ""
    yield "| alert | severity | after | meaning |"
    yield "|---|---|---|---|"
    for alert in group.rules:
        if isinstance(alert, Alert):
            yield f"| [{alert.name}](runbooks/{alert.name}.md) | {alert.severity} | {alert.wait} | {alert.summary} |"
    yield ""


if __name__ == "__main__":
    sys.stdout.write(page())
