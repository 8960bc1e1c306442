"""``bytespike-exporter`` on a clock that is set to another time: by so many seconds as the file $CLOCK_STEP says."""

import os
import time
from pathlib import Path

from exporter.cli import serve
from exporter.cli.main import main
from exporter.clock import SystemClock


class SteppingClock(SystemClock):
    """The machine's clock, set to another time while the file is there."""

    def __init__(self) -> None:
        self._file = Path(os.environ["CLOCK_STEP"])

    def wall(self) -> float:
        try:
            return time.time() + float(self._file.read_text())
        except FileNotFoundError:
            return time.time()


if __name__ == "__main__":
    vars(serve)["SystemClock"] = SteppingClock
    main()
