"""The other exporter's own troubles: a bad configuration, a ledger that is locked, and its death."""

import sqlite3
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import httpx

from tests.e2e.alerting.stack import OTHER
from tests.e2e.alerting.story import Story, wait
from tests.support.processes import RunningExporter, start_exporter

TROUBLE_SECONDS = 120.0
"""How long is waited for each at most."""

LOCKED_SECONDS = 2.2
"""A little more than the exporter waits for a locked ledger: one commit fails."""

UNLOCKED_SECONDS = 1.3
"""A little more than it waits before it tries again."""

STALLED_SECONDS = 60.0
"""Long enough to be told of, if there was anything to write down; else it is tried again."""


def have_troubles(story: Story) -> None:
    """A configuration that is none, a ledger that is locked now and then, and one that is locked for long."""
    other, directory = story.stack.other, story.stack.directory / OTHER
    with spoilt(directory / "exporter.yml", other):
        wait(lambda: story.has_arrived("ByteSpikeConfigReloadFailed"), TROUBLE_SECONDS)
    story.shown[OTHER] = time.time()

    def is_told_of_failures() -> bool:
        with locked(directory / "ledger.db"):
            time.sleep(LOCKED_SECONDS)
        time.sleep(UNLOCKED_SECONDS)
        return story.has_arrived("ByteSpikeLedgerFailing")

    def is_told_of_a_standstill() -> bool:
        with locked(directory / "ledger.db"):
            wait(lambda: story.has_arrived("ByteSpikeLedgerStalled"), STALLED_SECONDS)
        return story.has_arrived("ByteSpikeLedgerStalled")

    wait(is_told_of_failures, TROUBLE_SECONDS)
    wait(is_told_of_a_standstill, TROUBLE_SECONDS)


@contextmanager
def spoilt(config: Path, exporter: RunningExporter) -> Iterator[None]:
    """A configuration that cannot be loaded, and the good one again."""
    good = config.read_text()
    config.write_text("accounts: [")
    assert httpx.post(f"{exporter.url}/-/reload", timeout=30).status_code >= 400
    yield
    config.write_text(good)
    httpx.post(f"{exporter.url}/-/reload", timeout=30).raise_for_status()


@contextmanager
def locked(ledger: Path) -> Iterator[None]:
    """Nobody else can write."""
    with closing(sqlite3.connect(ledger, timeout=10, isolation_level=None)) as connection:
        connection.execute("BEGIN IMMEDIATE")
        yield
        connection.execute("ROLLBACK")


def die(story: Story) -> None:
    """The other exporter dies while alerts of the others fire."""
    story.stack.other.kill()
    wait(lambda: story.has_arrived("ByteSpikeExporterDown"), TROUBLE_SECONDS)
    story.one_gone = story.states()


def die_out(story: Story) -> None:
    """All exporters die."""
    for exporter in (*story.stack.exporters, story.stack.other):
        exporter.kill()
    wait(lambda: story.has_arrived("ByteSpikeExporterAbsent"), TROUBLE_SECONDS)
    story.all_gone = story.states()


def come_back(story: Story) -> None:
    """It comes back at the same address."""
    stack = story.stack
    config, address = stack.directory / OTHER / "exporter.yml", stack.other.url.removeprefix("http://")
    stack.other = start_exporter(config, address=address, log="again.log")
