"""A short run of what says how much one server carries, over a real PostgreSQL."""

import pytest

from benchmarks.capacity import Case, line, played
from tests.support.postgres import running_postgres


@pytest.mark.e2e
@pytest.mark.long
def test_two_replicas_make_durable_what_comes_and_lose_no_account() -> None:
    case = Case(replicas=2, accounts=6, tasks_per_second=30, seconds=8.0)
    with running_postgres(options=()) as server:
        found, share = played(server, case)

    assert sorted(each.owned for each in found) == [3, 3]
    assert [each.lost for each in found] == [0, 0]
    ends = sum(each.durable for each in found)
    assert ends == pytest.approx(case.tasks_per_second * case.seconds, rel=0.5), "it comes to rest: what comes, ends"
    assert share > 0
    assert all(each.commits and each.cpu > 0 for each in found)
    assert line(case, found, share).startswith(f"| 2 | 6 | 30 | {ends / case.seconds:,.0f} |")
