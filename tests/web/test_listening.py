import errno
import socket
from typing import Any, cast

import pytest

from exporter.web.listening import address_of, listen


def test_a_host_and_any_free_port() -> None:
    with listen("127.0.0.1", 0) as listener:
        host, port = listener.getsockname()
        assert address_of(listener) == f"{host}:{port}"
        assert port > 0


def test_a_name_is_looked_up() -> None:
    with listen("localhost", 0) as listener:
        assert listener.getsockname()[0] in ("127.0.0.1", "::1")


def test_a_name_that_does_not_exist() -> None:
    with pytest.raises(socket.gaierror):
        listen("no-such-host.invalid", 0)


def test_no_host_means_every_interface() -> None:
    with listen("", 0) as listener:
        socket.create_connection(("127.0.0.1", listener.getsockname()[1])).close()


def test_a_machine_without_ipv6(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(socket, "has_dualstack_ipv6", lambda: False)
    with listen("", 0) as listener:
        assert address_of(listener).startswith("0.0.0.0:")


@pytest.mark.parametrize(("number", "is_borne"), [(errno.EADDRNOTAVAIL, True), (errno.EADDRINUSE, False)])
def test_a_machine_whose_ipv6_is_switched_off(monkeypatch: pytest.MonkeyPatch, number: int, is_borne: bool) -> None:
    create_server = socket.create_server

    def without_ipv6(*args: Any, family: int, **kwargs: Any) -> socket.socket:
        if family == socket.AF_INET6:
            raise OSError(number, "no")
        return create_server(*args, family=family, **{**kwargs, "dualstack_ipv6": False})

    monkeypatch.setattr(socket, "has_dualstack_ipv6", lambda: True)
    monkeypatch.setattr(socket, "create_server", without_ipv6)
    if is_borne:
        listen("", 0).close()
        return
    with pytest.raises(OSError, match="no"):
        listen("", 0)


def test_an_ipv6_address_stands_in_brackets() -> None:
    class Six:
        def getsockname(self) -> tuple[str, int, int, int]:
            return ("::1", 9877, 0, 0)

    assert address_of(cast("socket.socket", Six())) == "[::1]:9877"
