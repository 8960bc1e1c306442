"""README.md with its tables in it, of alerts and of figures; ``make docs`` writes it."""

import sys
from pathlib import Path

from benchmarks.page import with_figures
from benchmarks.report import Report
from monitoring.readme import filled

README = Path(__file__).resolve().parents[1] / "README.md"

if __name__ == "__main__":
    sys.stdout.write(with_figures(filled(README.read_text(encoding="utf-8")), Report.read()))
