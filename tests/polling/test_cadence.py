import pytest

from exporter.polling.cadence import PublishedCadence
from exporter.settings.model import PollSettings


@pytest.mark.parametrize(
    ("eta", "interval"),
    [
        (35.0, 35 / 6),  # the published cadence: about six polls across the expected duration
        (6.0, 2.0),  # never closer than min_interval
        (None, 5.0),  # default_eta 30
        (0.0, 5.0),
        (90_000.0, 300.0),  # never further than max_interval
    ],
)
def test_the_published_cadence(eta: float | None, interval: float) -> None:
    assert PublishedCadence(PollSettings()).interval(eta) == pytest.approx(interval)


@pytest.mark.parametrize(("failures", "interval"), [(0, 5.0), (1, 10.0), (3, 40.0), (6, 300.0), (5000, 300.0)])
def test_failures_of_the_tasks_own_double_the_interval(failures: int, interval: float) -> None:
    assert PublishedCadence(PollSettings()).interval(30.0, failures=failures) == interval


def test_every_number_is_a_setting() -> None:
    poll = PollSettings(min_interval=1.0, max_interval=9.0, polls_per_eta=10, default_eta=50)

    assert [PublishedCadence(poll).interval(eta) for eta in (None, 5.0, 900.0)] == [5.0, 1.0, 9.0]
