"""What the machine gives: a real directory, real descriptors."""

import resource
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from exporter.doctor.finding import Verdict
from exporter.doctor.machine import descriptors, file_system_of, ledger
from exporter.ledger.store import SqliteLedger


def verdicts(path: Path) -> set[Verdict]:
    return {finding.verdict for finding in ledger(f"sqlite:///{path}") if "is in memory" not in finding.detail}


def test_a_ledger_that_is_not_there_yet_leaves_nothing_behind(tmp_path: Path) -> None:
    assert Verdict.FAULT not in verdicts(tmp_path / "data" / "ledger.db")
    assert list(tmp_path.iterdir()) == []


def test_a_ledger_that_another_exporter_has_open_can_be_read(tmp_path: Path) -> None:
    path = tmp_path / "ledger.db"
    running = SqliteLedger(f"sqlite:///{path}")
    running.open()
    try:
        assert Verdict.FAULT not in verdicts(path)
    finally:
        running.close()


def test_a_ledger_that_is_none(tmp_path: Path) -> None:
    path = tmp_path / "ledger.db"
    path.write_bytes(b"not a database, but of some length" * 100)
    assert Verdict.FAULT in verdicts(path)


def test_a_ledger_of_a_newer_version(tmp_path: Path) -> None:
    path = tmp_path / "ledger.db"
    written = SqliteLedger(f"sqlite:///{path}")
    written.open()
    written.close()
    with closing(sqlite3.connect(path)) as database, database:
        database.execute("UPDATE alembic_version SET version_num = '9999'")
        database.execute("UPDATE formats SET min_reader = '9999'")
    assert Verdict.FAULT in verdicts(path)


def test_a_directory_that_takes_nothing() -> None:
    """Nobody makes files there, not even root."""
    assert Verdict.FAULT in verdicts(Path("/proc/ledger.db"))


MOUNTS = """\
22 1 8:1 / / rw,relatime shared:1 - ext4 /dev/sda1 rw
23 22 0:20 / /srv rw - nfs4 server:/srv rw
24 23 0:21 / /srv/with\\040blank rw - tmpfs tmpfs rw
25 22 0:22 / /data rw - overlay overlay rw
26 22 0:23 / /data rw - xfs /dev/sdb1 rw
nonsense
"""


@pytest.mark.parametrize(
    ("path", "kind"),
    [
        ("/var/lib", "ext4"),
        ("/srv/ledger", "nfs4"),
        ("/srv/with blank/x", "tmpfs"),
        ("/srvx", "ext4"),
        ("/data", "xfs"),
    ],
)
def test_the_file_system_of_a_path(path: str, kind: str) -> None:
    assert file_system_of(Path(path), MOUNTS) == kind


def test_without_mounts_nothing_is_said() -> None:
    assert file_system_of(Path("/x"), "") == ""


def test_descriptors() -> None:
    soft, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    verdict = {
        name: descriptors(**limits)[0].verdict
        for name, limits in {
            "enough": {"wanted": soft, "least": 1},
            "few": {"wanted": soft + 1, "least": soft},
            "too few": {"wanted": soft + 2, "least": soft + 1},
        }.items()
    }
    assert verdict == {"enough": Verdict.OK, "few": Verdict.WARNING, "too few": Verdict.FAULT}
