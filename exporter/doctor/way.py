"""The way to the API, step by step: its name, its certificate, one query that is free, and what time it is there.

The query asks for a task that cannot be. The API answers that it does not know it, which costs nothing, and proves
that address, way and key are right.
"""

import asyncio
import socket
import ssl
import time
from collections.abc import Callable, Mapping, Sequence
from email.utils import parsedate_to_datetime
from functools import partial
from typing import cast

import httpx

from exporter.connecting import connect
from exporter.dispatcher.answer import DispatcherError, Reason
from exporter.dispatcher.client import DispatcherClient, Reply
from exporter.doctor.configuration import host_of
from exporter.doctor.finding import Finding, fault, ok, skipped, warning
from exporter.outbound import Outbound, parsed
from exporter.secrets import SecretSource
from exporter.settings.model import AccountSettings
from exporter.tasks.identity import TaskRef
from exporter.threads import in_thread

DNS = "dns"
TLS = "tls"
QUERY = "query"
CLOCK = "clock"

NOBODY_S_TASK = f"task_{'0' * 26}"
"""The ULID of the first millisecond of 1970: no task has it."""

DAY = 86_400.0
EXPIRES_SOON = 14 * DAY

SKEW = 5.0
"""Seconds between two clocks that are worth a word. ``Date`` has whole seconds, and answers take their time."""

SKEW_TOO_FAR = 60.0
"""And those that falsify what is measured: the submission time in a task's id is believed no further ahead."""

ADVICE: Mapping[Reason, str] = {
    Reason.TIMEOUT: "is the API slow, or does a firewall swallow the packets? try curl from here; raise timeout",
    Reason.CONNECT: "nothing answers there: see base_url, the firewall, and the proxy variables",
    Reason.TLS: "see the check of tls",
    Reason.NETWORK: "the connection broke off: a proxy or firewall on the way, or no HTTP server at base_url",
    Reason.TRUNCATED: "the answer broke off: a proxy or firewall on the way",
    Reason.INVALID_API_KEY: "the key is not accepted: is it all of it, of this base_url, and not revoked? make another",
    Reason.PAYMENT: "the wallet is empty or the key's quota is used up: top up, or raise the quota of the key",
    Reason.FORBIDDEN: "this key may not ask from here: see its IP lists and its group in the console",
    Reason.RATE_LIMITED: "the spend limit of this key is reached: wait until it is reset, or raise it",
    Reason.CONCURRENCY: "all requests that the account may have at once are in use: lower max_in_flight, or wait",
    Reason.SERVER: "the API has trouble of its own: try again later",
    Reason.BAD_ROUTE: "there is no such path there: base_url ends before /v1; a proxy may want a password (407)",
    Reason.REDIRECT: "base_url leads elsewhere: write the address that it leads to",
    Reason.BAD_RESPONSE: "what answers there is not ByteSpike's API: see base_url, and what stands in between",
}


async def dns(account: AccountSettings, outbound: Outbound) -> Sequence[Finding]:
    """Whether the name that is connected to, a proxy's where there is one, has an address."""
    proxy = outbound.proxy_for(account.base_url)
    host = proxy.url.host if proxy else host_of(account)
    try:
        found = await asyncio.get_running_loop().getaddrinfo(host, None, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "it is no name"
        advice = f"is the name right? does this machine know others: getent hosts {host}; see /etc/resolv.conf"
        return [fault(DNS, f"{host}: {reason}", advice, subject=account.name)]
    addresses = list(dict.fromkeys(str(address[4][0]) for address in found))
    more = f" and {len(addresses) - 3} more" if len(addresses) > 3 else ""
    return [ok(DNS, f"{host} is {', '.join(addresses[:3])}{more}", subject=account.name)]


async def tls(
    account: AccountSettings, outbound: Outbound, *, wall: Callable[[], float] = time.time
) -> Sequence[Finding]:
    """Whether the server is who it should be, and for how long its certificate says so."""
    name, url = account.name, parsed(account.base_url)
    if url is None or url.scheme != "https":
        return [skipped(TLS, "base_url is not https", subject=name)]
    if outbound.proxy_for(account.base_url) is not None:
        return [skipped(TLS, "through a proxy: the query tells", subject=name)]
    try:
        context = await in_thread(outbound.tls_context)
        ends_at = await _certificate_end(url, context)
    except ssl.SSLCertVerificationError as error:
        return [fault(TLS, f"its certificate is not trusted: {error.verify_message}", _DISTRUSTED, subject=name)]
    except ssl.SSLError:
        return [fault(TLS, "no secure connection", "is that port one of https? see base_url", subject=name)]
    except (OSError, UnicodeError):
        return [fault(TLS, f"no connection to {url.host}", ADVICE[Reason.CONNECT], subject=name)]
    left = ends_at - wall()
    said = f"trusted, for {left / DAY:.0f} more days"
    return [ok(TLS, said, subject=name) if left > EXPIRES_SOON else warning(TLS, said, "tell its owner", subject=name)]


async def query(
    account: AccountSettings,
    outbound: Outbound,
    environ: Mapping[str, str],
    *,
    wall: Callable[[], float] = time.time,
) -> Sequence[Finding]:
    """One query, and how far the two clocks are apart."""
    read = partial(SecretSource, env=account.api_key_env, file=account.api_key_file, environ=environ)
    source = await in_thread(read)
    if source.fault is not None:
        return [skipped(QUERY, "there is no key", subject=account.name)]
    way = await in_thread(partial(_DateNoted, account, outbound, wall))
    client = DispatcherClient(
        account.base_url, key=source.reveal, timeout=account.timeout, max_in_flight=1, wall=wall, transport=way
    )
    try:
        found = _answered(account, await client.query(TaskRef(account.name, task_id=NOBODY_S_TASK)))
    except DispatcherError as error:
        found = _unanswered(account, error)
    finally:
        await client.aclose()
    return [found, *_clock(account, way.skew)]


def _answered(account: AccountSettings, reply: Reply) -> Finding:
    if reply.answer.observation is not None:
        said = "a task was found that cannot be"
        return warning(QUERY, said, "is base_url the API's, and not a stand-in's?", subject=account.name)
    left = reply.quota.remaining_credits
    money = "" if left is None else f"; {left:,.2f} credits are left to this key"
    return ok(QUERY, f"the API answers, and accepts the key{money}", subject=account.name)


def _unanswered(account: AccountSettings, error: DispatcherError) -> Finding:
    advice = ADVICE.get(error.reason, "try again; if it stays so, please report it")
    found = warning if error.reason is Reason.CONCURRENCY else fault
    return found(QUERY, str(error), advice, subject=account.name)


def _clock(account: AccountSettings, skew: float | None) -> Sequence[Finding]:
    if skew is None:
        return [skipped(CLOCK, "no answer had a date", subject=account.name)]
    if abs(skew) <= SKEW:
        return [ok(CLOCK, f"within {SKEW:g} s of the API's", subject=account.name)]
    said = f"this clock is {abs(skew):.0f} s {'behind' if skew > 0 else 'ahead of'} the API's"
    advice = "let NTP set it: timedatectl set-ntp true, or chronyc tracking; in a container, on its host"
    found = fault if abs(skew) > SKEW_TOO_FAR else warning
    return [found(CLOCK, said, advice, subject=account.name)]


_DISTRUSTED = (
    "is this machine's clock right? a proxy that opens TLS needs its authority in SSL_CERT_FILE; else base_url is"
    " somebody else's"
)


class _Handshake(asyncio.Protocol):
    """Nothing is said over it."""

    def __init__(self) -> None:
        self.transport: asyncio.Transport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast("asyncio.Transport", transport)


async def _certificate_end(url: httpx.URL, context: ssl.SSLContext) -> float:
    """Unix seconds of when the certificate ends; raises what connecting does."""
    host = url.raw_host.decode("ascii")
    opened = await connect(_Handshake, host=host, port=url.port or 443, tls=context)
    transport = opened.transport
    if transport is None:
        raise OSError("no connection")
    try:
        return float(ssl.cert_time_to_seconds(transport.get_extra_info("peercert")["notAfter"]))
    finally:
        transport.abort()


class _DateNoted(httpx.AsyncHTTPTransport):
    """The way that requests take, noting by how many seconds the server's clock is ahead. Making one blocks."""

    def __init__(self, account: AccountSettings, outbound: Outbound, wall: Callable[[], float]) -> None:
        super().__init__(verify=outbound.tls_context(), proxy=outbound.proxy_for(account.base_url), trust_env=False)
        self._wall = wall
        self.skew: float | None = None

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        asked_at = self._wall()
        response = await super().handle_async_request(request)
        try:
            sent_at = parsedate_to_datetime(response.headers.get("Date", "")).timestamp()
        except (ValueError, OverflowError):
            return response
        # it was written between the question and now, and tells whole seconds
        self.skew = max(0.0, sent_at - self._wall()) or min(0.0, sent_at + 1.0 - asked_at)
        return response
