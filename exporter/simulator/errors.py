"""What the simulator cannot do, for its own user and for its HTTP clients."""

from dataclasses import dataclass

from exporter.errors import ExporterError


class SimulatorError(ExporterError):
    """An option, a file or an admin request that cannot be; the text says what is allowed."""


class UnreachableError(SimulatorError):
    """No simulator answers where one was asked for."""


class RefusedError(SimulatorError):
    """A running simulator does not do what it was asked for; the text is its own."""


@dataclass(eq=False)
class ApiError(Exception):
    """An HTTP error of the API: its status, its ``error.type`` and ``error.code``, and seconds of ``Retry-After``."""

    status: int
    type: str
    code: str
    message: str
    retry_after: int | None = None

    @classmethod
    def invalid_param(cls, message: str) -> "ApiError":
        return cls(400, "invalid_request_error", "invalid_param", message)

    @classmethod
    def invalid_api_key(cls) -> "ApiError":
        return cls(401, "authentication_error", "invalid_api_key", "The API key is missing, mistyped or revoked.")

    @classmethod
    def task_not_found(cls) -> "ApiError":
        return cls(404, "not_found_error", "task_not_found", "No task matches the supplied identifier.")

    @classmethod
    def too_large(cls, limit: int) -> "ApiError":
        # The type is published, the code is invented.
        return cls(413, "request_too_large", "request_too_large", f"The body is larger than {limit} bytes.")

    @classmethod
    def payment(cls, code: str, message: str) -> "ApiError":
        # The codes are published, the type is invented.
        return cls(402, "payment_required_error", code, message)

    @classmethod
    def forbidden(cls, code: str, message: str) -> "ApiError":
        return cls(403, "permission_error", code, message)

    @classmethod
    def concurrency(cls, retry_after: int | None = None) -> "ApiError":
        text = "Too many requests of this account are in flight."
        return cls(429, "rate_limit_error", "concurrency_limit", text, retry_after)

    @classmethod
    def spend(cls, message: str, retry_after: int | None = None) -> "ApiError":
        # The published example of a spend 429 carries a type and a message; the code is invented.
        return cls(429, "rate_limit_error", "rate_limit_exceeded", message, retry_after)

    @classmethod
    def server(cls, status: int) -> "ApiError":
        # 5xx answers are published without codes: both are invented.
        kind = "overloaded_error" if status == 503 else "api_error"
        return cls(status, kind, kind.removesuffix("_error"), "The gateway could not serve the request.")
