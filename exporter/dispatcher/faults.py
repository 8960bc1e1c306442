"""What goes wrong in an exchange, in words of ours: a foreign text may quote a header, and with it the key."""

import ssl
from collections.abc import Iterator
from contextlib import contextmanager

import httpx
from httpx_sse import SSEError

from exporter.dispatcher.answer import DispatcherError, Reason

CUT_SHORT = "without sending complete message body"
"""What httpx says, among other words, of a body that ends too soon; whoever stands in for it says so, too."""

# The most specific first.
_FAULTS: tuple[tuple[type[BaseException], Reason, str], ...] = (
    (httpx.ConnectTimeout, Reason.TIMEOUT, "no connection in time"),
    (httpx.PoolTimeout, Reason.TIMEOUT, "no free connection in time"),
    (httpx.TimeoutException, Reason.TIMEOUT, "no answer in time"),
    (TimeoutError, Reason.TIMEOUT, "no whole answer in time"),
    (httpx.ConnectError, Reason.CONNECT, "no connection"),
    (httpx.ProxyError, Reason.CONNECT, "the proxy gives no connection"),
    (httpx.NetworkError, Reason.NETWORK, "connection lost"),
    (httpx.RemoteProtocolError, Reason.NETWORK, "an answer that is not HTTP, or none"),
    (httpx.UnsupportedProtocol, Reason.BAD_ROUTE, "base_url is not an http or https address"),
    (httpx.InvalidURL, Reason.BAD_ROUTE, "base_url is not an address"),
    (httpx.DecodingError, Reason.BAD_RESPONSE, "a body that cannot be decoded"),
    (SSEError, Reason.BAD_RESPONSE, "not an event stream"),
    (httpx.HTTPError, Reason.NETWORK, "the exchange failed"),
)


@contextmanager
def named_faults() -> Iterator[None]:
    """Let nothing but DispatcherError and cancellation out."""
    try:
        yield
    except Exception as error:  # noqa: BLE001 (whatever a library raises, no loop may end by it)
        # the cause is not shown with it: its text may quote the request, and with it the key
        raise named(error) from None


@contextmanager
def named_environment() -> Iterator[None]:
    """The same for making ready to connect, where a file of the environment may go in that very moment."""
    try:
        yield
    except OSError:  # ssl.SSLError is one
        raise DispatcherError(Reason.TLS, "the certificates of those who are trusted cannot be read") from None


def named(error: Exception) -> DispatcherError:
    """The one error that says what a library's error means; ours is handed back as it is."""
    if isinstance(error, DispatcherError):
        return error
    if isinstance(error, httpx.TransportError) and _has_tls_cause(error):
        return DispatcherError(Reason.TLS, "no secure connection")
    if isinstance(error, httpx.RemoteProtocolError) and CUT_SHORT in str(error):
        return DispatcherError(Reason.TRUNCATED, "the connection closed within the body")
    for kind, reason, detail in _FAULTS:
        if isinstance(error, kind):
            return DispatcherError(reason, detail)
    return DispatcherError(Reason.INTERNAL, f"unforeseen {type(error).__name__}")


def _has_tls_cause(error: BaseException | None) -> bool:
    while error is not None:
        if isinstance(error, ssl.SSLError):
            return True
        error = error.__cause__ or error.__context__
    return False
