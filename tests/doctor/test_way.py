"""The way to the API, against real sockets: names, certificates, one query, two clocks."""

import json
import ssl
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from email.utils import formatdate
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from ipaddress import ip_address
from pathlib import Path

import pytest
from cryptography import x509

from exporter import lookups
from exporter.dispatcher.answer import Reason
from exporter.doctor.finding import Finding, Verdict
from exporter.doctor.way import ADVICE, CLOCK, NOBODY_S_TASK, QUERY, dns, query, tls
from exporter.outbound import Outbound
from exporter.settings.model import AccountSettings
from tests.support.certificates import Certificate

KEY = "sk-byts-0123456789abcdef"
ENVIRON = {"KEY": KEY}
STRAIGHT = Outbound.of({})


@contextmanager
def api(
    status: int, body: object, *, ahead: float = 0.0, certificate: Certificate | None = None
) -> Iterator[tuple[str, list[object]]]:
    """An API whose clock is ahead, and the bodies that it was asked with."""
    asked: list[object] = []

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            asked.append(json.loads(self.rfile.read(int(self.headers["Content-Length"]))))
            answer = json.dumps(body).encode()
            self.send_response(status)
            self.send_header("Content-Length", str(len(answer)))
            self.end_headers()
            self.wfile.write(answer)

        def date_time_string(self, timestamp: float | None = None) -> str:
            return formatdate(time.time() + ahead, usegmt=True)

        def log_message(self, *args: object) -> None:
            """Stay silent."""

    class Server(ThreadingHTTPServer):
        def handle_error(self, request: object, client_address: object) -> None:
            """Whoever does not trust us hangs up."""

    with Server(("127.0.0.1", 0), Handler) as server:
        scheme = "http"
        if certificate:
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            context.load_cert_chain(certificate.cert, certificate.key)
            server.socket = context.wrap_socket(server.socket, server_side=True, do_handshake_on_connect=False)
            scheme = "https"
        threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
        yield f"{scheme}://127.0.0.1:{server.server_port}", asked
        server.shutdown()


def account(url: str) -> AccountSettings:
    return AccountSettings("a", url, api_key_env="KEY")


NOT_FOUND = {"error": {"code": "task_not_found", "message": "no such task"}}


def asked(url: str) -> dict[str, Finding]:
    return {finding.check: finding for finding in lookups.run(query(account(url), STRAIGHT, ENVIRON))}


def test_the_one_question_is_for_a_task_that_cannot_be() -> None:
    with api(404, NOT_FOUND) as (url, bodies):
        found = asked(url)
    assert bodies == [{"task_id": NOBODY_S_TASK}]
    assert {check: finding.verdict for check, finding in found.items()} == {QUERY: Verdict.OK, CLOCK: Verdict.OK}


@pytest.mark.parametrize(
    ("status", "code", "verdict", "said"),
    [
        (401, "invalid_api_key", Verdict.FAULT, "is it all of it"),
        (402, "insufficient_balance", Verdict.FAULT, "top up"),
        (403, "permission_denied", Verdict.FAULT, "IP lists"),
        (429, "concurrency_limit", Verdict.WARNING, "max_in_flight"),
        (503, "", Verdict.FAULT, "later"),
        (404, "not_found", Verdict.FAULT, "before /v1"),
    ],
)
def test_each_refusal_has_its_advice_and_the_clock_is_read_all_the_same(
    status: int, code: str, verdict: Verdict, said: str
) -> None:
    with api(status, {"error": {"code": code, "message": f"you sent {KEY}"}}) as (url, _):
        found = asked(url)
    assert (found[QUERY].verdict, said in found[QUERY].advice) == (verdict, True)
    assert found[CLOCK].verdict is Verdict.OK
    assert KEY not in str(found)


def test_something_that_answers_for_a_task_that_cannot_be_is_not_the_api() -> None:
    with api(200, {"task_id": NOBODY_S_TASK, "status": "running"}) as (url, _):
        assert asked(url)[QUERY].verdict is Verdict.WARNING


def test_nobody_there_and_no_key() -> None:
    assert asked("http://127.0.0.1:1")[QUERY].advice == ADVICE[Reason.CONNECT]
    [skipped] = lookups.run(query(account("http://127.0.0.1:1"), STRAIGHT, {}))
    assert (skipped.check, skipped.verdict) == (QUERY, Verdict.SKIPPED)


@pytest.mark.parametrize(
    ("ahead", "verdict", "said"),
    [
        (0.0, Verdict.OK, "within 5 s"),
        (30.0, Verdict.WARNING, "s behind the API's"),
        (-30.0, Verdict.WARNING, "s ahead of the API's"),
        (4000.0, Verdict.FAULT, "s behind the API's"),
    ],
)
def test_two_clocks(ahead: float, verdict: Verdict, said: str) -> None:
    with api(404, NOT_FOUND, ahead=ahead) as (url, _):
        found = asked(url)[CLOCK]
    assert (found.verdict, said in found.detail) == (verdict, True)


def test_every_reason_has_its_advice() -> None:
    own = {Reason.TOO_LARGE, Reason.INTERNAL, Reason.BAD_REQUEST}
    assert set(ADVICE) == set(Reason) - own


def test_a_certificate(tmp_path: Path) -> None:
    authority = Certificate.make(tmp_path, "authority")
    names = [x509.IPAddress(ip_address("127.0.0.1"))]
    good = Certificate.make(tmp_path, "good", signer=authority, names=names, days=100)
    soon = Certificate.make(tmp_path, "soon", signer=authority, names=names, days=3)
    trusting = Outbound.of({"SSL_CERT_FILE": str(authority.cert)})
    seen = {}
    for name, certificate, outbound in (
        ("good", good, trusting),
        ("soon", soon, trusting),
        ("foreign", good, STRAIGHT),
    ):
        with api(404, NOT_FOUND, certificate=certificate) as (url, _):
            [found] = lookups.run(tls(account(url), outbound))
            seen[name] = found.verdict
    assert seen == {"good": Verdict.OK, "soon": Verdict.WARNING, "foreign": Verdict.FAULT}
    with api(404, NOT_FOUND) as (url, _):
        [found] = lookups.run(tls(account(url.replace("http:", "https:")), STRAIGHT))
    assert (found.verdict, found.detail) == (Verdict.FAULT, "no secure connection")
    [found] = lookups.run(tls(account("http://127.0.0.1:1"), STRAIGHT))
    assert found.verdict is Verdict.SKIPPED


def test_a_name() -> None:
    [here] = lookups.run(dns(account("http://localhost:1"), STRAIGHT))
    assert (here.verdict, "localhost is " in here.detail) == (Verdict.OK, True)
    [nowhere] = lookups.run(dns(account("https://nowhere.invalid"), STRAIGHT))
    assert (nowhere.verdict, "getent hosts nowhere.invalid" in nowhere.advice) == (Verdict.FAULT, True)
    proxied = Outbound.of({"https_proxy": "http://me:secret-word@127.0.0.1:3128"})
    [proxy] = lookups.run(dns(account("https://nowhere.invalid"), proxied))
    assert proxy.detail == "127.0.0.1 is 127.0.0.1", "the proxy looks the other name up"
