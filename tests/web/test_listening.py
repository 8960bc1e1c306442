import errno
import os
import socket
from pathlib import Path
from typing import Any, cast

import pytest

from exporter.web.listening import address_of, adopt, listen


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


@pytest.mark.parametrize("host", ["", "::"])
def test_every_interface_is_meant_in_both_families(host: str) -> None:
    if not socket.has_dualstack_ipv6():
        pytest.skip("no IPv6 here")
    with listen(host, 0) as listener:
        for family, address in ((socket.AF_INET, "127.0.0.1"), (socket.AF_INET6, "::1")):
            with socket.socket(family) as caller:
                caller.connect((address, listener.getsockname()[1]))


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
        family = socket.AF_INET6

        def getsockname(self) -> tuple[str, int, int, int]:
            return ("::1", 9877, 0, 0)

    assert address_of(cast("socket.socket", Six())) == "[::1]:9877"


# ---- handed over -----------------------------------------------------------------------------------------------------


def test_what_listens_already_is_taken_over_as_it_is() -> None:
    given = socket.create_server(("127.0.0.1", 0))
    os.set_inheritable(given.fileno(), True)
    with adopt(given.fileno()) as listener:
        assert listener.fileno() == given.detach()
        assert not listener.get_inheritable()
        assert listener.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY)
        socket.create_connection(listener.getsockname()).close()


def test_what_does_not_listen_is_not_taken_and_stays_open() -> None:
    one, other = socket.socketpair()
    with one, other, socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as datagrams, Path(os.devnull).open() as file:
        for given, reason in ((one, "does not listen"), (datagrams, "is no stream socket"), (file, "is no socket")):
            with pytest.raises(ValueError, match=reason):
                adopt(given.fileno())
            os.fstat(given.fileno())
