import socket

from exporter.demo.ports import free_or_any


def test_a_free_port_is_taken_and_a_taken_one_is_not() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        assert free_or_any(port) == 0
    assert free_or_any(port) == port
    assert free_or_any(0) == 0
