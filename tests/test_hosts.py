import pytest

from exporter.hosts import hostname, is_loopback


@pytest.mark.parametrize(
    ("host", "expected"),
    [("localhost", True), ("127.0.0.1", True), ("::1", True), ("::ffff:127.0.0.1", True)]
    + [(host, False) for host in ("", "0.0.0.0", "::", "10.0.0.1", "::ffff:10.0.0.1", "LOCALHOST.evil", "127.1.evil")],
)
def test_loopback(host: str, expected: bool) -> None:
    assert is_loopback(host) is expected


@pytest.mark.parametrize(
    ("netloc", "host"),
    [("LOCALHOST:9877", "localhost"), ("[::1]:80", "::1"), ("host", "host"), ("", ""), ("[::1", ""), ("a@b:1", "b")],
)
def test_the_host_of_a_header(netloc: str, host: str) -> None:
    assert hostname(netloc) == host
