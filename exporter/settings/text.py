"""From bytes to text, within limits."""

from exporter.settings.errors import ConfigError, Fault

MAX_BYTES = 16 * 1024 * 1024
"""Of a configuration, and of a list of tasks."""


def decode(content: bytes, *, file: str) -> str:
    """The text of a file; ConfigError where it is too large or not UTF-8 (a byte order mark is taken away)."""
    if len(content) > MAX_BYTES:
        message = f"is larger than {MAX_BYTES // 1024 // 1024} MiB, the most that is allowed"
        raise ConfigError([Fault(file, 0, "", message)])
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        raise ConfigError([Fault(file, line, "", "is not UTF-8, the one encoding that is allowed")]) from None
