import pytest

from tests.support.promql import PromQLError, check, names
from tests.support.vocabulary import Vocabulary

TASKS = {"account", "group", "model", "job", "instance"}
VOCABULARY = Vocabulary.of_exporter()


@pytest.mark.parametrize(
    ("expr", "labels"),
    [
        ("bytespike_up", {"account", "job", "instance"}),
        ('bytespike_tasks{status="pending"}', TASKS | {"status"}),
        ("sum(rate(bytespike_tasks_finished_total[5m]))", set()),
        ("sum by (account, status) (rate(bytespike_tasks_finished_total[5m]))", {"account", "status"}),
        ("sum without (model) (bytespike_tasks_overdue)", TASKS - {"model"}),
        ("topk(5, bytespike_tasks_overdue)", TASKS),
        ('count_values("kind", bytespike_tasks_overdue)', {"kind"}),
        ("histogram_quantile(0.9, sum by (le, model) (rate(bytespike_tasks_eta_ratio_bucket[5m])))", {"model"}),
        ("time() - bytespike_api_last_success_timestamp_seconds", {"account", "job", "instance"}),
        ("-(bytespike_tasks_overdue) + (2 * 3) > bool 1", TASKS),
        ("vector(1)", set()),
        ("bytespike_tasks_overdue > scalar(sum(bytespike_up))", TASKS),
        ('absent(up{job="bytespike"})', {"job"}),
        ('absent_over_time(bytespike_up{account=~"a.+", job="x"}[5m])', {"job"}),
        ("absent(sum(up))", set()),
        ("count(timestamp(bytespike_tasks_finished_total))", set()),
        ('label_replace(bytespike_up, "who", "$1", "account", "(.*)")', {"account", "job", "instance", "who"}),
        ('label_join(bytespike_up, "who", "-", "job", "account")', {"account", "job", "instance", "who"}),
        ("bytespike_up and on (account) bytespike_exporter_tasks_due", {"account", "job", "instance"}),
        ("bytespike_up or bytespike_tasks_overdue", TASKS),
        (
            "bytespike_up * on (account) group_left (reason) bytespike_api_suspended",
            TASKS - {"group", "model"} | {"reason"},
        ),
        ("bytespike_up / ignoring (account) group_right () sum by (job, instance) (up)", {"job", "instance"}),
        ("bytespike_up == on (job) up", {"job"}),
        ("max_over_time(bytespike_tasks_overdue[1h:5m])", TASKS),
        ("rate(process_cpu_seconds_total[5m])", {"job", "instance"}),
        ('ALERTS{alertname=~"Bytespike.*", alertstate="firing"}', None),
    ],
)
def test_labels_are_followed_to_the_result(expr: str, labels: set[str] | None) -> None:
    found = check(expr, VOCABULARY)
    assert labels is None or found == labels


@pytest.mark.parametrize(
    ("expr", "message"),
    [
        ("rate(bytespike_tasks_finished_total)", "expected type matrix"),
        ("sum(", "unclosed left parenthesis"),
        ("bytespike_tasks_done_total", "nothing exports bytespike_tasks_done_total"),
        ("bytespike_tasks_eta_ratio", "nothing exports"),
        ('bytespike_up{acount="a"}', "no label acount in the matchers"),
        ("sum by (le) (bytespike_tasks)", "no label le in the grouping"),
        ("sum without (nobody) (bytespike_tasks)", "no label nobody in the grouping"),
        ("bytespike_tasks_finished_total", "is a counter"),
        ("sum(bytespike_tasks_finished_total)", "is a counter"),
        ("delta(bytespike_tasks_finished_total[5m])", "is a counter"),
        ("increase(bytespike_tasks[5m])", "is a gauge"),
        ("rate(sum(bytespike_tasks_overdue)[5m:1m])", "does not see resets"),
        ("histogram_quantile(0.9, sum(rate(bytespike_tasks_eta_ratio_bucket[5m])))", "no label le"),
        ("sum(bytespike_up) / bytespike_up", "cannot match"),
        ("bytespike_up and bytespike_tasks_overdue", "the sides differ in group, model"),
        ("bytespike_up * on (model) bytespike_tasks_overdue", "no label model in the left"),
        ("bytespike_tasks_overdue * on (model) bytespike_up", "no label model in the right"),
        ("bytespike_up * ignoring (nobody) bytespike_up", "no label nobody in ignoring"),
        ("bytespike_up * on (job) group_left (nobody) up", "no label nobody in group_left"),
        ("up * on (job) group_right (nobody) bytespike_up", "no label nobody in group_right"),
        ('label_replace(bytespike_up, "who", "$1", "acount", "(.*)")', "no label acount"),
        ('label_join(bytespike_up, "who", "-", "acount")', "no label acount"),
        ('bytespike_up{account=~"one"}', "= says the same"),
        ('bytespike_up{account!~"^one.*"}', "anchored already"),
    ],
)
def test_what_could_not_work_is_told(expr: str, message: str) -> None:
    with pytest.raises(PromQLError, match=message):
        check(expr, VOCABULARY)


def test_user_labels_belong_to_tasks_alone() -> None:
    vocabulary = Vocabulary.of_exporter(user_labels=["team"])
    assert check('sum by (team) (bytespike_tasks{team!=""})', vocabulary) == {"team"}
    with pytest.raises(PromQLError, match="no label team"):
        check("sum by (team) (bytespike_up)", vocabulary)


def test_a_recorded_series_can_be_asked_for() -> None:
    expr = "sum without (instance) (rate(bytespike_tasks_finished_total[5m]))"
    recorded = VOCABULARY.with_series("job:bytespike_tasks_finished:rate5m", check(expr, VOCABULARY))
    assert check("job:bytespike_tasks_finished:rate5m", recorded) == TASKS - {"instance"} | {"status"}


def test_names_are_those_of_all_selectors() -> None:
    assert names("sum(up) / (rate(process_cpu_seconds_total[5m]) > 1)") == {"up", "process_cpu_seconds_total"}
