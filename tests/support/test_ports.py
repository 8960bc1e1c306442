import socket

import pytest

from tests.support.ports import EACH, FIRST, RANGES, deaf_port, free_port


def test_each_process_has_ports_of_its_own() -> None:
    found = [free_port({"PYTEST_XDIST_WORKER": f"gw{number}"}) for number in range(RANGES)]
    assert [(port - FIRST) // EACH for port in found] == list(range(RANGES))
    assert (free_port({}) - FIRST) // EACH == 0


def test_a_port_can_be_listened_on_at_once() -> None:
    port = free_port()
    for _ in range(2):
        with socket.create_server(("127.0.0.1", port)), socket.create_connection(("127.0.0.1", port)):
            pass


def test_where_nobody_listens_a_connection_is_refused() -> None:
    with deaf_port() as port, pytest.raises(ConnectionRefusedError):
        socket.create_connection(("127.0.0.1", port))
