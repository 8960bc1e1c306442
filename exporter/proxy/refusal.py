"""What the sidecar answers itself, in the API's own form, where a request cannot pass."""

import json
from dataclasses import dataclass

from exporter.metrics.families.proxy import UpstreamFault
from exporter.proxy.head import HEAD_LIMIT, VIA
from exporter.proxy.reaching import UpstreamError

_REASONS = {
    400: "Bad Request",
    405: "Method Not Allowed",
    408: "Request Timeout",
    421: "Misdirected Request",
    431: "Request Header Fields Too Large",
    502: "Bad Gateway",
    503: "Service Unavailable",
    504: "Gateway Timeout",
    508: "Loop Detected",
}


@dataclass(frozen=True, slots=True)
class Refusal:
    """One such answer. ``fault``: why the upstream did not give it; None where the request itself is at fault."""

    status: int
    code: str
    message: str
    fault: UpstreamFault | None = None

    def answer(self, method: bytes = b"") -> bytes:
        """Its bytes, for a request of that method; the connection closes after it."""
        error = {"message": f"bytespike-exporter: {self.message}", "type": "api_error", "code": self.code}
        body = json.dumps({"error": error}).encode()
        head = (
            f"HTTP/1.1 {self.status} {_REASONS[self.status]}\r\nContent-Type: application/json\r\n"
            f"Content-Length: {len(body)}\r\nVia: {VIA.decode()}\r\nConnection: close\r\n\r\n"
        )
        return head.encode() + (b"" if method == b"HEAD" else body)


HEAD_TOO_LARGE = Refusal(431, "head_too_large", f"the head of a request is longer than {HEAD_LIMIT} bytes")
HEAD_TIMEOUT = Refusal(408, "request_timeout", "no whole request came in time")
NO_PROXY = Refusal(405, "method_not_allowed", "this is no proxy for other servers")
MISDIRECTED = Refusal(421, "misdirected_request", "this is no proxy for other servers: give it as the base URL")
LOOP = Refusal(508, "loop_detected", "the upstream is this exporter itself: see base_url")
CONNECT_TIMEOUT = Refusal(504, "upstream_timeout", "no connection to the upstream in time", UpstreamFault.TIMEOUT)
ANSWER_TIMEOUT = Refusal(504, "upstream_timeout", "the upstream did not answer in time", UpstreamFault.TIMEOUT)


def bad_request(error: ValueError) -> Refusal:
    """The request is no HTTP/1.1 that could be passed on."""
    return Refusal(400, "bad_request", str(error))


def unreachable(error: UpstreamError) -> Refusal:
    """There is no connection to the upstream."""
    status = 503 if error.fault is UpstreamFault.DESCRIPTORS else 502
    return Refusal(status, f"upstream_{error.fault}", str(error), error.fault)
