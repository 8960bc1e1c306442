import asyncio
import os
import signal
from collections.abc import Iterator

import pytest

from exporter.cli.signals import Signals

USED = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGALRM)


@pytest.fixture(autouse=True)
def handlers_are_put_back() -> Iterator[None]:
    before = {number: signal.getsignal(number) for number in USED}
    yield
    signal.alarm(0)
    for number, handler in before.items():
        signal.signal(number, handler)


async def test_sighup_asks_to_reload() -> None:
    signals = Signals(deadline=60)
    signals.install()
    os.kill(os.getpid(), signal.SIGHUP)
    await asyncio.wait_for(signals.reload.wait(), 20)
    assert not signals.stop.is_set()


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
async def test_the_first_asks_to_stop_within_the_deadline_and_the_second_ends_it(
    number: signal.Signals, monkeypatch: pytest.MonkeyPatch
) -> None:
    signals = Signals(deadline=60)
    signals.install()
    assert signals.left == 60
    os.kill(os.getpid(), number)
    await asyncio.wait_for(signals.stop.wait(), 20)
    assert 0 < signals.left < 60
    assert 50 < signal.alarm(0) <= 60
    assert signal.getsignal(signal.SIGALRM) is signal.SIG_DFL

    sent: asyncio.Future[tuple[int, signal.Signals]] = asyncio.get_running_loop().create_future()
    monkeypatch.setattr(os, "kill", lambda pid, number: sent.set_result((pid, number)))
    monkeypatch.setattr(os, "_exit", lambda _code: None)  # for PID 1, to which the signal does nothing
    signal.raise_signal(number)
    assert await asyncio.wait_for(sent, 20) == (os.getpid(), number)
    assert signal.getsignal(number) is signal.SIG_DFL
