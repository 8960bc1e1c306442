"""What an exporter shows of accounts that another one owns: that it does not own them, and nothing else."""

from dataclasses import replace

import pytest

from exporter.accounting.series import Series, labels_of
from exporter.metrics.catalogue import FAMILIES, account_of
from exporter.metrics.exposition import render
from exporter.metrics.families.own import ACCOUNT_OWNED
from exporter.metrics.family import Family, Scope
from tests.metrics.snapshots import busy
from tests.support.scraped import Scraped

OF_ACCOUNTS = {family.name for family in FAMILIES if family.scope in (Scope.TASKS, Scope.TASK, Scope.ACCOUNT)}


def page_of(**parts: object) -> Scraped:
    return Scraped(render(replace(busy(), **parts)).body.decode())  # type: ignore[arg-type] # as the field has it


def test_alone_it_owns_whatever_it_shows() -> None:
    assert page_of().by("account", ACCOUNT_OWNED.name) == {"default": 1.0}


def test_nothing_is_shown_of_what_another_owns_not_even_zeros() -> None:
    page = page_of(owned={"default": False}, accounts=(), known=())

    shown = {sample.name for sample in page if sample.labels.get("account") == "default"}
    assert ACCOUNT_OWNED.name in shown
    assert not {name for name in shown if name.startswith("bytespike_")} & (OF_ACCOUNTS - {ACCOUNT_OWNED.name})
    assert [sample.value for sample in page.samples(ACCOUNT_OWNED.name)] == [0.0]


def test_what_passed_the_sidecar_is_this_replicas_own() -> None:
    passed = Series("bytespike_proxy_requests_total", labels_of(account="default", code="200", endpoint="tasks/query"))
    page = page_of(owned={"default": False}, accounts=(), known=(), totals={passed: 3.0})

    assert page.sum(passed.family, account="default") == 3.0


def test_an_account_that_was_just_gained_is_owned_and_not_shown_yet() -> None:
    page = page_of(owned={"default": True}, accounts=(), known=())

    assert page.by("account", ACCOUNT_OWNED.name) == {"default": 1.0}
    assert page.samples("bytespike_up") == []
    assert page.samples("bytespike_tasks_finished_total") == []


@pytest.mark.parametrize("family", FAMILIES, ids=lambda family: family.name)
def test_what_is_counted_goes_with_the_account_where_it_is_of_one(family: Family) -> None:
    names = family.label_names(())
    series = Series(family.name, labels_of(**dict.fromkeys(names, "x")))

    assert account_of(series) == ("x" if family.name in OF_ACCOUNTS else None)


def test_of_a_family_that_is_gone_nobody_knows_whose_it_is() -> None:
    assert account_of(Series("bytespike_of_yesterday_total", labels_of(account="x"))) is None
