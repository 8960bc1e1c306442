"""When the demo is told of a scenario: ``python scripts/first_alerts.py NAME [MINUTES] [BEFORE]``.

It starts the demo on free ports, lets so many minutes pass before (1), switches the scenario on for so many (10), and
prints each notification with the minutes since then, until a quarter of an hour after the scenario's end.
"""

import asyncio
import sys
import time
from contextlib import suppress
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from exporter.demo.demo import Addresses, Demo, Plan
from exporter.simulator.steering import Steering

AFTER_SECONDS = 900
PLAN = Plan(seed=7, time_scale=5, port=0)


async def main(name: str, minutes: float = 10, before: float = 1) -> None:
    ready: asyncio.Future[Addresses] = asyncio.get_running_loop().create_future()
    begun = time.monotonic() + 60 * before

    def tell(line: str) -> None:
        print(f"{(time.monotonic() - begun) / 60:5.1f} min  {line}", flush=True)

    with TemporaryDirectory(prefix="bytespike-demo-") as directory:
        run = asyncio.create_task(Demo(PLAN, Path(directory), ready=ready.set_result, tell=tell).run())
        either: set[asyncio.Future[Any]] = {run, ready}
        await asyncio.wait(either, return_when=asyncio.FIRST_COMPLETED)
        if run.done():
            await run
        begun = time.monotonic() + 60 * before
        await asyncio.sleep(60 * before)
        with Steering(ready.result().simulator) as simulator:
            simulator.switch_on(name, after=0, duration=60 * minutes, params={})
        await asyncio.wait({run}, timeout=60 * minutes + AFTER_SECONDS)
        run.cancel()
        with suppress(asyncio.CancelledError):
            await run


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1], *map(float, sys.argv[2:])))
