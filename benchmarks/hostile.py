"""How long other threads wait for the interpreter while lists are read that are written to do harm, each of 16 MiB.

``python -m benchmarks.hostile`` prints for each the longest stall of an event loop beside it, how long the list takes
and what is said of it, beside reading one of good tasks by ``json.loads``, which is one step. ``--memory`` prints what
good lists of each format take instead, a task.
"""

import argparse
import asyncio
import json
import time
import tracemalloc
from collections.abc import Callable, Iterator

from benchmarks._served import WRITTEN, Stall, as_served, watch
from exporter.discovery.lists import ListParser
from exporter.discovery.written import Format
from exporter.settings.errors import ConfigError, in_short
from exporter.settings.model import GroupSettings
from exporter.settings.reader import MAX_BYTES

TASKS = 100_000
PARSER = ListParser.of(GroupSettings(name="renders", account="default"), ("team",))

LISTS: dict[str, tuple[Format, Callable[[], str]]] = {
    "a million keys": (Format.JSON, lambda: json.dumps([dict.fromkeys(range(1_000_000))])),
    "a million labels": (
        Format.JSON,
        lambda: json.dumps([{"task_ids": ["a"], "labels": dict.fromkeys(range(900_000))}]),
    ),
    "nested deep": (Format.JSON, lambda: "[" * MAX_BYTES),
    "one long id": (Format.JSON, lambda: json.dumps([{"task_ids": ["x" * (MAX_BYTES - 30)]}])),
    "space": (Format.JSON, lambda: f"[{' ' * (MAX_BYTES - 3)}]"),
    "one number": (Format.JSON, lambda: f"[{'1' * (MAX_BYTES - 3)}]"),
    "bad ids": (Format.JSON, lambda: json.dumps([{"task_ids": ["a b"] * 1_500_000}])),
    "empty items": (Format.JSON, lambda: json.dumps([{}] * 3_500_000)),
    "empty lines": (Format.TEXT, lambda: "\n" * MAX_BYTES),
    "bad lines": (Format.TEXT, lambda: "".join(f"a {number}\n" for number in range(1_400_000))),
    "YAML, a million keys": (Format.YAML, lambda: f"- {{{', '.join(f'k{number}: 1' for number in range(1_000_000))}}}"),
    "YAML, nested deep": (Format.YAML, lambda: "[" * MAX_BYTES),
    "YAML, a long text": (Format.YAML, lambda: "- " + "x" * (MAX_BYTES - 3)),
    "YAML, anchors": (Format.YAML, lambda: "- &a [1]\n" + "- *a\n" * 2_000_000),
    "YAML, tags": (Format.YAML, lambda: f"- task_ids: [{','.join(['!t a'] * 3_000_000)}]"),
}


def read(content: bytes, form: Format) -> str:
    """Read a list and say in a few words what it came to."""
    try:
        return f"{len(PARSER.parse(content, form, name='list')):,} tasks"
    except ConfigError as error:
        return in_short(error)[:100]


async def beside(work: Callable[[], str]) -> tuple[Stall, str]:
    """What some work in a thread says, and how long the event loop stood still meanwhile."""
    stall = Stall()
    watching = asyncio.create_task(watch(stall))
    said = await asyncio.to_thread(work)
    watching.cancel()
    await asyncio.gather(watching, return_exceptions=True)
    return stall, said


def show(name: str, work: Callable[[], str]) -> None:
    """Print the stall of one list."""
    began = time.perf_counter()
    stall, said = asyncio.run(beside(work))
    seconds = time.perf_counter() - began
    print(f"{name:22} stall {stall.longest * 1e3:6.1f} ms  {seconds:5.1f} s  {said}", flush=True)


def stalls() -> None:
    """Print the stall of every list, and of the peer."""
    with as_served():
        for name, (form, make) in LISTS.items():
            content = make().encode()[:MAX_BYTES]
            show(name, lambda content=content, form=form: read(content, form))  # type: ignore[misc]
        good = json.dumps([{"task_ids": [f"task_{number:026}"]} for number in range(300_000)])
        show("peer: json.loads", lambda: f"{len(json.loads(good)):,} items")


def memory() -> Iterator[str]:
    """What good lists take."""
    ids = [f"task_{number:026}" for number in range(TASKS)]
    for suffix, form in (("txt", Format.TEXT), ("json", Format.JSON), ("yml", Format.YAML)):
        content = WRITTEN[suffix](ids).encode()
        began = time.process_time()
        read(content, form)
        seconds = time.process_time() - began
        tracemalloc.start()
        read(content, form)
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        yield f"{suffix:5} {seconds / TASKS * 1e6:6.1f} us and {peak / TASKS:6.0f} B at most, a task"


def main() -> None:
    """Print what was asked for."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--memory", action="store_true")
    if parser.parse_args().memory:
        for line in memory():
            print(line)
    else:
        stalls()


if __name__ == "__main__":
    main()
