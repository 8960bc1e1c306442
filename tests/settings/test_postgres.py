"""The URL of a PostgreSQL server: libpq's own, and no password in it, wherever one may be written."""

from pathlib import Path

import pytest

from exporter.settings.postgres import doubts, postgres_url


@pytest.mark.parametrize(
    "url",
    [
        "postgresql://exporter@db/ledger?passfile=/run/secrets/pgpass",
        "postgresql://exporter@db:5433/ledger?sslmode=verify-full&sslrootcert=/etc/ca.pem",
        "postgresql://exporter@one:5432,two:5432/ledger?target_session_attrs=read-write",
        "postgresql://exporter@[::1]:5432/ledger",
        "postgresql://exporter@/ledger?host=/run/postgresql",
        "postgresql:///ledger?service=billing",
        "postgresql://",
    ],
)
def test_takes_what_libpq_takes(url: str) -> None:
    assert postgres_url(url) == url


@pytest.mark.parametrize(
    "url",
    [
        "postgresql://exporter:hunter2hunter2@db/ledger",
        "postgresql://exporter:hunter2@hunter2@db/ledger",
        "postgresql://exporter@db/ledger?password=hunter2hunter2",
        "postgresql://exporter@db/ledger?passfile=/a&sslpassword=hunter2hunter2",
    ],
)
def test_refuses_a_password_and_does_not_repeat_it(url: str) -> None:
    with pytest.raises(ValueError, match="must not carry a password; name a passfile") as caught:
        postgres_url(url)
    assert "hunter2" not in str(caught.value)


@pytest.mark.parametrize(
    "url",
    [
        "postgres://exporter@db/ledger",
        "postgresql+psycopg://exporter@db/ledger",
        "postgresql:ledger",
        "postgresql://exporter:hunter2/hunter2@db/ledger",
        "postgresql://exporter:hunter2",
        "postgresql://exporter@db/led ger",
        "postgresql://exporter@db/ledger#part",
        "postgresql://exporter@db/ledger?hunter2=1",
        "postgresql://exporter@db/ledger?hunter2",
        "postgresql://exporter:hunter2?hunter2@db/ledger",
    ],
)
def test_refuses_anything_else_and_repeats_nothing(url: str) -> None:
    with pytest.raises(ValueError, match=r"expected postgresql://|is not known|must not carry") as caught:
        postgres_url(url)
    assert "hunter2" not in str(caught.value)


def test_doubts_a_passfile_that_libpq_would_not_read(tmp_path: Path) -> None:
    path = tmp_path / "pgpass"
    url = f"postgresql://exporter@db/ledger?passfile={path}"

    assert list(doubts(url)) == [f"ledger.url: there is no file {path}; write host:port:database:user:password into it"]
    path.write_text("db:5432:ledger:exporter:hunter2")
    path.chmod(0o640)
    assert list(doubts(url)) == [f"ledger.url: libpq reads {path} only while nobody else may; chmod 0600"]
    path.chmod(0o600)
    assert list(doubts(url)) == []
