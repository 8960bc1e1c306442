"""The bucket of tokens."""

from exporter.web.toolkit.limit import RateLimit


class Time:
    now = 100.0

    def __call__(self) -> float:
        return self.now


def test_a_burst_and_then_one_more_each_interval() -> None:
    time = Time()
    limit = RateLimit(interval=2, burst=3, now=time)

    assert [limit.allows() for _ in range(4)] == [True, True, True, False]
    time.now += 1.9
    assert not limit.allows()
    time.now += 0.1
    assert [limit.allows() for _ in range(2)] == [True, False]


def test_no_more_is_saved_than_the_burst() -> None:
    time = Time()
    limit = RateLimit(interval=1, burst=2, now=time)
    time.now += 1000

    assert [limit.allows() for _ in range(3)] == [True, True, False]


def test_without_a_burst_nobody_comes_in() -> None:
    time = Time()
    limit = RateLimit(interval=1, burst=0, now=time)
    time.now += 1000

    assert not limit.allows()


def test_an_interval_below_nothing_is_no_limit() -> None:
    limit = RateLimit(interval=-1, burst=0, now=Time())

    assert all(limit.allows() for _ in range(10))
