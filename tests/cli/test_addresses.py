"""Where to listen, as it is written on the command line, and listening there."""

import socket
from pathlib import Path

import pytest

from exporter.cli.addresses import MAX_UNIX_PATH, ListenAddress, UnixAddress, listening, parse_address
from exporter.cli.exits import CannotStart
from exporter.web.listening import address_of


@pytest.mark.parametrize(
    ("text", "host", "port"),
    [
        (":9877", "", 9877),
        ("127.0.0.1:0", "127.0.0.1", 0),
        ("[::1]:9877", "::1", 9877),
        ("localhost:80", "localhost", 80),
        ("my-host.example:65535", "my-host.example", 65535),
        ("[fe80::1%eth0]:1", "fe80::1%eth0", 1),
    ],
)
def test_addresses(text: str, host: str, port: int) -> None:
    address = parse_address(text)

    assert isinstance(address, ListenAddress)
    assert (address.host, address.port) == (host, port)
    assert str(address) == text


@pytest.mark.parametrize(
    "text",
    ["", "9877", "host", "::1:9877", "[127.0.0.1]:1", "[::g]:1", "[:::]:1", "-a:1", "a b:1", ":x", ":123456", "a:1\n"],
)
def test_what_is_no_address(text: str) -> None:
    with pytest.raises(ValueError, match="expected HOST:PORT"):
        ListenAddress.parse(text)


def test_a_socket_in_the_file_system() -> None:
    assert parse_address("unix:/run/x.sock") == UnixAddress(Path("/run/x.sock"))
    assert str(parse_address("unix:x.sock")) == "unix:x.sock"


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("unix:", "expected unix:/path"),
        ("unix:/run/", "expected unix:/path"),
        ("unix:/" + "ü" * 60, f"{MAX_UNIX_PATH} bytes at most"),
    ],
)
def test_what_is_no_socket_in_the_file_system(text: str, reason: str) -> None:
    with pytest.raises(ValueError, match=reason):
        parse_address(text)


# ---- listening -------------------------------------------------------------------------------------------------------


def both(*texts: str) -> list[ListenAddress | UnixAddress]:
    return [parse_address(text) for text in texts]


def test_all_of_them_and_closed_at_the_end(tmp_path: Path) -> None:
    with listening(both("127.0.0.1:0", f"unix:{tmp_path}/x")) as listeners:
        host, port = listeners[0].getsockname()
        assert [address_of(listener) for listener in listeners] == [f"{host}:{port}", f"unix:{tmp_path}/x"]
    assert [listener.fileno() for listener in listeners] == [-1, -1]
    assert list(tmp_path.iterdir()) == []


def test_the_second_is_taken_and_the_first_is_closed_again(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with (
            pytest.raises(CannotStart, match=f"^cannot listen on 127.0.0.1:{port}: Address already in use$"),
            listening(both(f"unix:{tmp_path}/first", f"127.0.0.1:{port}")),
        ):
            pass
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("address", "reason"),
    [
        ("no-such-host.invalid:1", "cannot listen on no-such-host.invalid:1: (Name|Temporary failure|No address)"),
        ("unix:/nowhere/x", "cannot listen on unix:/nowhere/x: No such file or directory"),
        ("unix:/etc/hostname", "cannot listen on unix:/etc/hostname: there is a file that is no socket"),
    ],
)
def test_why_it_cannot_be_is_said(address: str, reason: str) -> None:
    with pytest.raises(CannotStart, match=reason), listening(both(address)):
        pass


def test_both_families_may_be_named_each_for_itself() -> None:
    if not socket.has_dualstack_ipv6():
        pytest.skip("no IPv6 here")
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    with listening(both(f"0.0.0.0:{port}", f"[::]:{port}")) as (_, six):
        assert six.getsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY) == 1
