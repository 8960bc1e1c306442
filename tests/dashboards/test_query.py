import pytest

from dashboards._query import narrowed

EVERY = ("account", "group", "model")
PLACE = 'account=~"$account", group=~"$group", model=~"$model"'
TARGET = 'job=~"$job", instance=~"$instance"'


@pytest.mark.parametrize(
    ("expr", "expected"),
    [
        ("up", f"up{{{TARGET}}}"),
        ("bytespike_up", f'bytespike_up{{{TARGET}, account=~"$account"}}'),
        (
            'rate(bytespike_tasks_failed_total{error_code!=""}[5m])',
            f'rate(bytespike_tasks_failed_total{{error_code!="", {TARGET}, {PLACE}}}[5m])',
        ),
        (
            "bytespike_exporter_poll_lag_seconds_bucket",
            f'bytespike_exporter_poll_lag_seconds_bucket{{{TARGET}, account=~"$account"}}',
        ),
        (
            "bytespike_exporter_sd_refresh_failures_total",
            f'bytespike_exporter_sd_refresh_failures_total{{{TARGET}, group=~"$group"}}',
        ),
        ("sum by (python_version) (process_open_fds)", f"sum by (python_version) (process_open_fds{{{TARGET}}})"),
        ('count(ALERTS{alertstate="firing"})', 'count(ALERTS{alertstate="firing"})'),
    ],
)
def test_a_selector_follows_the_variables_that_its_series_have_as_labels(expr: str, expected: str) -> None:
    assert narrowed(expr, EVERY) == expected


def test_a_variable_that_the_dashboard_lacks_narrows_nothing() -> None:
    assert narrowed("bytespike_tasks", ("group",)) == f'bytespike_tasks{{{TARGET}, group=~"$group"}}'
