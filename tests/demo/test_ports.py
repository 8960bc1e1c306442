import socket

from exporter.demo.ports import free, free_or_any


def test_a_free_port_is_taken_and_a_taken_one_is_not() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        assert free_or_any(port) == 0
    assert free_or_any(port) == port
    assert free_or_any(0) == 0


def test_a_port_that_is_named_is_one_that_can_be_taken() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        assert free(port) not in (0, port)
    assert free(port) == port
