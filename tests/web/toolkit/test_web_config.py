"""A web configuration that changes while it is in force; and how one line tells of it."""

import asyncio
import os
import ssl
from collections.abc import Awaitable, Callable
from pathlib import Path

import bcrypt
import pytest
from structlog.testing import capture_logs

from tests.support.certificates import LOCALHOST, Certificate
from tests.web.toolkit.serving import REFUSED, ask, client, serving
from tests.web.toolkit.test_beside_go import basic

PAGE: tuple[int, dict[str, str], str] = (200, {}, "a page\n")
TLS = "tls_server_config: {cert_file: server.crt, key_file: server.key}\n"


def users(password: str) -> str:
    return f"basic_auth_users: {{dave: '{bcrypt.hashpw(password.encode(), bcrypt.gensalt(4)).decode()}'}}\n"


async def until(look: Callable[[], Awaitable[object]], wanted: object) -> None:
    """Return once it is so."""
    async with asyncio.timeout(20):
        while await look() != wanted:  # noqa: ASYNC110 - what is looked for sets no event
            await asyncio.sleep(0.02)


def swap(path: Path, text: str) -> None:
    """Write a file anew in one step: whoever reads it meanwhile never finds half of it."""
    written = path.with_name(f"{path.name}.new")
    written.write_text(text)
    written.replace(path)


async def test_another_password_holds_at_once(tmp_path: Path) -> None:
    file = tmp_path / "web.yml"
    file.write_text(users("old"))

    async with serving(file, every=0.02) as address:
        assert await ask(address, basic("dave", "old")) == PAGE
        swap(file, users("new"))
        await until(lambda: ask(address, basic("dave", "new")), PAGE)
        refused = await ask(address, basic("dave", "old"))
    assert isinstance(refused, tuple)
    assert refused[0] == 401


async def test_another_certificate_holds_for_the_next_connection(tmp_path: Path) -> None:
    """Replaced as certbot and Kubernetes do it, by files that were written elsewhere."""
    first, second = (Certificate.make(tmp_path, name) for name in ("first", "second"))
    for name, signer in (("old", first), ("new", second)):
        (tmp_path / name).mkdir()
        Certificate.make(tmp_path / name, "server", signer=signer, names=LOCALHOST)
    (tmp_path / "now").symlink_to("old")
    file = tmp_path / "web.yml"
    file.write_text("tls_server_config: {cert_file: now/server.crt, key_file: now/server.key}\n")

    async with serving(file, every=0.02) as address:
        host, port = address.split(":")
        assert await ask(address, tls=client(ca=first.cert)) == PAGE
        reader, writer = await asyncio.open_connection(host, int(port), ssl=client(ca=first.cert))
        (tmp_path / "next").symlink_to("new")
        (tmp_path / "next").replace(tmp_path / "now")
        await until(lambda: ask(address, tls=client(ca=second.cert)), PAGE)
        with pytest.raises(ssl.SSLCertVerificationError):
            await asyncio.open_connection(host, int(port), ssl=client(ca=first.cert))
        writer.write(b"GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")  # who is in stays in
        assert (await reader.read()).endswith(b"a page\n")
        writer.close()


async def test_a_file_that_has_become_wrong_lets_nobody_in_and_is_told_of_once(tmp_path: Path) -> None:
    Certificate.make(tmp_path, "server", names=LOCALHOST)
    file = tmp_path / "web.yml"
    file.write_text(TLS)

    with capture_logs() as logs:
        async with serving(file, every=0.02) as address:
            swap(file, "tls_server_config: {cert: }\nunknown: 1\n")
            await until(lambda: ask(address, tls=client()), REFUSED)
            for _ in range(5):
                assert await ask(address, tls=client()) == REFUSED
            swap(file, TLS)
            await until(lambda: ask(address, tls=client()), PAGE)
            swap(tmp_path / "server.key", "rubbish")
            await until(lambda: ask(address, tls=client()), REFUSED)

    told = [(log["event"], log.get("fault", "").removeprefix(str(tmp_path))) for log in logs]
    assert [each for each in told if each[0].startswith("web_config")] == [
        (
            "web_config_invalid",
            (
                "/web.yml:2: unknown: unknown key; allowed: tls_server_config, http_server_config, basic_auth_users, "
                "rate_limit"
            ),
        ),
        ("web_config_read", ""),
        (
            "web_config_invalid",
            "/web.yml:1: tls_server_config.key_file: holds no key that can be used (PEM, without a passphrase)",
        ),
    ]


async def test_whatever_has_stood_in_it_later_changes_are_seen(tmp_path: Path) -> None:
    file = tmp_path / "web.yml"
    file.write_text(users("old"))

    async with serving(file, every=0.02) as address:
        for nonsense in ('tls_server_config: {cert_file: "a\\0b", key_file: x}', "\0", "[" * 5000):
            swap(file, users("wrong") + nonsense)
            await asyncio.sleep(0.1)
            swap(file, users("new"))
            await until(lambda: ask(address, basic("dave", "new")), PAGE)


async def test_what_stood_in_the_way_may_go_without_a_change(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from exporter.web.toolkit import web_config

    monkeypatch.setattr(web_config, "RETRY_SECONDS", 0.1)
    file = tmp_path / "web.yml"
    file.write_text("")
    open_path = Path.open

    def no_descriptors(path: Path, *args: object, **kwargs: object) -> object:
        if path == file:
            raise OSError(24, "Too many open files")
        return open_path(path, *args, **kwargs)  # type: ignore[call-overload]

    async with serving(file, every=0.02) as address:
        with monkeypatch.context() as broken:
            broken.setattr(Path, "open", no_descriptors)
            os.utime(file, (1, 1))
            await asyncio.sleep(0.3)
        await until(lambda: ask(address), PAGE)


async def test_what_takes_a_restart_is_said(tmp_path: Path) -> None:
    Certificate.make(tmp_path, "server", names=LOCALHOST)
    file = tmp_path / "web.yml"
    file.write_text("")

    with capture_logs() as logs:
        async with serving(file, every=0.02) as address:
            swap(file, TLS)

            async def is_said() -> bool:
                return any(log["event"] == "web_config_needs_restart" for log in logs)

            await until(is_said, wanted=True)
            assert await ask(address) == PAGE
