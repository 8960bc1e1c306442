"""Sockets handed over by systemd: which are taken, and what is said of others."""

import os
import socket
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress

import pytest

from exporter.cli import activation
from exporter.cli.activation import handed_over
from exporter.cli.exits import CannotStart

HIGH = 200
"""Descriptors that no test uses stand for those from 3 on, which are the test runner's."""


@pytest.fixture(autouse=True)
def descriptors_out_of_the_way(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(activation, "FIRST", HIGH)


@contextmanager
def given(*sockets: socket.socket) -> Iterator[dict[str, str]]:
    """An environment that hands these over, by the names a, b and so on."""
    with ExitStack() as stack:
        for number, one in enumerate(sockets):
            stack.callback(_close, os.dup2(one.fileno(), HIGH + number))
            one.close()
        names = ":".join("abc"[: len(sockets)])
        yield {
            "LISTEN_PID": str(os.getpid()),
            "LISTEN_FDS": str(len(sockets)),
            "LISTEN_FDNAMES": names,
            "LISTEN_PIDFDID": "1",
            "ELSE": "stays",
        }


def _close(descriptor: int) -> None:
    with suppress(OSError):  # whoever has taken it has closed it
        os.close(descriptor)


def test_they_are_taken_and_nobody_else_is_told() -> None:
    with given(socket.create_server(("127.0.0.1", 0)), socket.create_server(("127.0.0.1", 0))) as environ:
        with handed_over(environ) as listeners:
            assert [listener.fileno() for listener in listeners] == [HIGH, HIGH + 1]
            assert environ == {"ELSE": "stays"}
        assert [listener.fileno() for listener in listeners] == [-1, -1]


def test_one_that_cannot_be_used_is_named() -> None:
    with (
        given(socket.create_server(("127.0.0.1", 0)), socket.socket()) as environ,
        pytest.raises(CannotStart, match=rf"^descriptor {HIGH + 1} \(b\) that systemd has handed over does not listen"),
        handed_over(environ),
    ):
        pass


def test_names_may_be_missing() -> None:
    with given(socket.socket()) as environ:
        del environ["LISTEN_FDNAMES"]
        with pytest.raises(CannotStart, match=rf"^descriptor {HIGH} that systemd"), handed_over(environ):
            pass


@pytest.mark.parametrize("count", ["", "0", "-1", "129", "some"])
def test_none_at_all(count: str) -> None:
    environ = {"LISTEN_PID": str(os.getpid()), "LISTEN_FDS": count}
    with pytest.raises(CannotStart, match="has handed over no socket"), handed_over(environ):
        pass


def test_those_of_another_process() -> None:
    with (
        pytest.raises(CannotStart, match="has handed over no socket"),
        handed_over({"LISTEN_PID": "1", "LISTEN_FDS": "1"}),
    ):
        pass
