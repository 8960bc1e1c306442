import subprocess
import sys
from pathlib import Path

from exporter.metrics.catalogue import FAMILIES
from exporter.metrics.docs import page

ROOT = Path(__file__).parents[2]
COMMITTED = ROOT / "docs" / "metrics.md"


def test_committed_page_is_the_generated_one() -> None:
    assert COMMITTED.read_text() == page(), "run: python -m exporter.metrics.docs > docs/metrics.md"


def test_command_prints_the_page() -> None:
    command = [sys.executable, "-m", "exporter.metrics.docs"]
    assert subprocess.run(command, capture_output=True, check=True, cwd=ROOT).stdout.decode() == page()


def test_every_family_stands_in_the_tables_once() -> None:
    rows = [line for line in page().splitlines() if line.startswith("| `")]
    for family in FAMILIES:
        about = [row for row in rows if row.startswith(f"| `{family.name}` | {family.type} |")]
        assert len(about) == 1
        assert family.help in about[0]
