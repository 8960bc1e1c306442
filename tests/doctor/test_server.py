"""A ledger on a real PostgreSQL server, as ``doctor`` finds it before, after and without the exporter's tables."""

from collections.abc import Iterator

import pytest

from exporter.doctor.finding import Finding, Verdict
from exporter.doctor.machine import ledger
from exporter.ledger.opening import ledger_at
from tests.support.postgres import USER, Postgres, running_postgres

STRANGER = "stranger"
"""A role that owns nothing."""


@pytest.fixture(scope="module")
def server() -> Iterator[Postgres]:
    with running_postgres() as running:
        running.run(f"CREATE ROLE {STRANGER} LOGIN")
        yield running


@pytest.fixture
def database(server: Postgres) -> str:
    return server.create_database()


@pytest.fixture
def made(server: Postgres, database: str) -> str:
    """A database in which an exporter has been."""
    exporter = ledger_at(server.url(database))
    exporter.open()
    exporter.close()
    return database


def found(url: str) -> Finding:
    [finding] = ledger(url)
    assert bool(finding.advice) == (finding.verdict is Verdict.FAULT)
    return finding


def as_stranger(server: Postgres, database: str) -> str:
    return server.url(database).replace(f"{USER}@", f"{STRANGER}@")


@pytest.mark.slow
def test_tables_that_are_not_made_yet_are_not_made_by_looking(server: Postgres, database: str) -> None:
    for _ in range(2):
        finding = found(server.url(database))
        assert (finding.verdict, "will be made" in finding.detail) == (Verdict.OK, True)
    assert server.rows("SELECT 1 FROM pg_tables WHERE schemaname = 'public'", database) == []


def test_a_user_that_may_not_make_tables(server: Postgres, database: str) -> None:
    finding = found(as_stranger(server, database))
    assert finding.verdict is Verdict.FAULT
    assert f"GRANT CREATE ON SCHEMA public TO {STRANGER}" in finding.advice


def test_a_user_whose_schema_is_not_there(server: Postgres, database: str) -> None:
    finding = found(server.url(database, options="-csearch_path%3Dnowhere"))
    assert (finding.verdict, "search_path" in finding.advice) == (Verdict.FAULT, True)


def test_tables_that_can_be_used(server: Postgres, made: str) -> None:
    finding = found(server.url(made))
    assert (finding.verdict, "written" in finding.detail) == (Verdict.OK, True)


def test_tables_of_somebody_else(server: Postgres, made: str) -> None:
    assert found(as_stranger(server, made)).verdict is Verdict.FAULT
    server.run(f"GRANT SELECT ON ALL TABLES IN SCHEMA public TO {STRANGER}", database=made)
    finding = found(as_stranger(server, made))
    assert (finding.verdict, "totals" in finding.detail) == (Verdict.FAULT, True)
    server.run(f"GRANT INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA public TO {STRANGER}", database=made)
    assert found(as_stranger(server, made)).verdict is Verdict.OK


def test_a_table_that_somebody_has_dropped(server: Postgres, made: str) -> None:
    server.run("DROP TABLE outcomes", database=made)
    finding = found(server.url(made))
    assert (finding.verdict, "outcomes" in finding.detail) == (Verdict.FAULT, True)


@pytest.mark.parametrize(("revision", "verdict"), [("0001", Verdict.OK), ("9999", Verdict.FAULT)])
def test_tables_of_another_version(server: Postgres, made: str, revision: str, verdict: Verdict) -> None:
    server.run("UPDATE formats SET min_reader = %s", revision, database=made)
    server.run("UPDATE alembic_version SET version_num = %s", revision, database=made)
    assert found(server.url(made)).verdict is verdict


def test_servers_that_cannot_be_reached(server: Postgres) -> None:
    urls = {
        "create it": server.url("nowhere"),
        "listens at this address": f"postgresql://{USER}@127.0.0.1:1/ledger",
        "listens at this socket": f"postgresql://{USER}@/ledger?host=/nowhere",
    }
    for advice, url in urls.items():
        finding = found(url)
        assert (finding.verdict, advice in finding.detail) == (Verdict.FAULT, True), finding
