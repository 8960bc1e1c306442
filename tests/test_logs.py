"""Logs: one line an event, in either format, without secrets, the libraries' included."""

import io
import json
import logging
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import Any

import pytest
import structlog

from exporter.logs import MASK, LogFormat, LogLevel, Secrets, configure
from tests.support.logging_kept import logging_kept

KEY = "sk-byts-0123456789"


@pytest.fixture(autouse=True)
def as_before() -> Iterator[None]:
    with logging_kept():
        yield
    for name in ("httpx", "httpcore", "alembic", "uvicorn.access", "asyncio"):
        logging.getLogger(name).setLevel(logging.NOTSET)


def test_logfmt() -> None:
    stream = io.StringIO()
    configure(handler=logging.StreamHandler(stream))

    structlog.get_logger().info("task finished", task_id="task_1", credits=1.5, late=True, error=None)

    line = stream.getvalue()
    assert line.startswith("ts=20")
    assert line.endswith('Z level=info event="task finished" task_id=task_1 credits=1.5 late=true error=\n')


def test_json() -> None:
    stream = io.StringIO()
    configure(log_format=LogFormat.JSON, handler=logging.StreamHandler(stream))

    structlog.get_logger().warning("slow", seconds=2, path=object)

    line = json.loads(stream.getvalue())
    assert line.pop("ts").endswith("Z")
    assert line == {"level": "warning", "event": "slow", "seconds": 2, "path": str(object)}


@pytest.mark.parametrize(
    ("level", "seen"),
    [
        (LogLevel.DEBUG, ["debug", "info", "warning", "error"]),
        (LogLevel.INFO, ["info", "warning", "error"]),
        (LogLevel.WARN, ["warning", "error"]),
        (LogLevel.ERROR, ["error"]),
    ],
)
@pytest.mark.parametrize("logger", [structlog.get_logger, partial(logging.getLogger, "library")])
def test_levels(level: LogLevel, seen: list[str], logger: Callable[[], Any]) -> None:
    stream = io.StringIO()
    configure(level=level, log_format=LogFormat.JSON, handler=logging.StreamHandler(stream))

    for name in ("debug", "info", "warning", "error"):
        getattr(logger(), name)("event")

    assert [json.loads(line)["level"] for line in stream.getvalue().splitlines()] == seen


def test_libraries_take_the_same_way() -> None:
    stream = io.StringIO()
    configure(log_format=LogFormat.JSON, handler=logging.StreamHandler(stream))

    logging.getLogger("some.library").info("Started on %s", "port")

    line = json.loads(stream.getvalue())
    assert (line["event"], line["level"], line["logger"]) == ("Started on port", "info", "some.library")


def test_request_lines_are_silent() -> None:
    stream = io.StringIO()
    configure(level=LogLevel.DEBUG, handler=logging.StreamHandler(stream))

    logging.getLogger("httpx").info("HTTP Request: POST")
    logging.getLogger("httpcore.connection").debug("connect_tcp.started")

    assert stream.getvalue() == ""


@pytest.mark.parametrize("log_format", list(LogFormat))
def test_no_secret_is_shown(log_format: LogFormat) -> None:
    stream = io.StringIO()
    secrets = Secrets()
    configure(log_format=log_format, secrets=secrets, handler=logging.StreamHandler(stream))
    secrets.add(KEY)

    logger = structlog.get_logger()
    secrets_in_event = f"with {KEY}"
    logger.info(secrets_in_event, header=f"Bearer {KEY}", nested={"key": [KEY]})
    logging.getLogger("library").warning("sent %s", {"x-api-key": KEY})
    try:
        int(KEY)
    except ValueError:
        logger.exception("failed")
        logging.getLogger("library").exception("failed")

    text = stream.getvalue()
    assert KEY not in text
    assert text.count(MASK) == 6
    assert text.count("ValueError") >= 2
    assert len(text.splitlines()) == 4


@pytest.mark.parametrize("log_format", list(LogFormat))
@pytest.mark.parametrize("secret", ['with"quote', "with\\backslash", "with\ttab", "caf\u00e9-secret", "key and more"])
def test_escaped_secrets_are_not_shown_either(log_format: LogFormat, secret: str) -> None:
    stream = io.StringIO()
    secrets = Secrets()
    secrets.add(secret)
    configure(log_format=log_format, secrets=secrets, handler=logging.StreamHandler(stream))

    structlog.get_logger().info("event", value=secret)
    structlog.get_logger().info("event", value=f"spaced {secret}")

    assert stream.getvalue().count(MASK) == 2


def test_the_longer_secret_goes_first() -> None:
    secrets = Secrets()
    secrets.add("secret")
    secrets.add("secret-and-more")

    assert secrets.mask("secret-and-more, secret") == f"{MASK}, {MASK}"


def test_short_values_are_no_secrets() -> None:
    secrets = Secrets()
    secrets.add("")
    secrets.add("info")

    assert secrets.mask("info") == "info"


def test_secrets_do_not_show_themselves() -> None:
    secrets = Secrets()
    secrets.add(KEY)

    assert KEY not in repr(secrets)


def test_no_value_begins_a_line_of_its_own() -> None:
    stream = io.StringIO()
    configure(handler=logging.StreamHandler(stream))

    structlog.get_logger().info("event", value="a\nts=2026 level=error\r\x1b[31m\u2028red")

    assert len(stream.getvalue().splitlines()) == 1
    assert "\x1b" not in stream.getvalue()


# ---- what is never taken for anything else ---------------------------------------------------------------------------


@pytest.mark.slow
@pytest.mark.parametrize("known", [1, 5000])
def test_a_secret_is_found_whole_and_as_a_part(known: int) -> None:
    secrets = Secrets()
    for number in range(known - 1):
        secrets.add(f"{number:08d}-other-secret")
    secrets.add(KEY)
    for text in (KEY, f"Bearer {KEY}", f"{KEY}2", f"x{KEY}", f"a/{KEY}/b"):
        assert secrets.holds(text)
    for text in ("", KEY[:-1], "task_01HQX9F2P6Y8VEX3CRZ8GXJVD9", "sk-byts-", KEY.upper()):
        assert not secrets.holds(text)


def test_a_short_one_is_found_whole_alone_for_it_may_be_a_word() -> None:
    secrets = Secrets()
    for secret in ("renders", "password"):
        secrets.add(secret)
    assert [secrets.holds(text) for text in ("password", "password-reset", "renders")] == [True, False, False]


@pytest.mark.parametrize("known", [1, 50])
def test_among_many_texts_none_is_missed(known: int) -> None:
    secrets = Secrets()
    for number in range(known - 1):
        secrets.add(f"{number:08d}-other-secret")
    secrets.add(KEY)
    secrets.add("password")
    others = [f"task_{number}" for number in range(100)]

    assert not secrets.may_be_among(others)
    assert not secrets.may_be_among(["password-reset", *others])
    for text in ("password", KEY, f"Bearer:{KEY}", f"{KEY}2"):
        assert secrets.may_be_among([*others, text])
        assert secrets.may_be_among([text, *others])


def test_a_secret_in_a_url_is_not_shown() -> None:
    secrets = Secrets()
    secrets.add("with/slash and more")
    assert secrets.mask("http://host/?a=with%2Fslash%20and%20more") == f"http://host/?a={MASK}"


def test_secrets_may_be_added_by_any_thread() -> None:
    secrets = Secrets()
    words = [f"secret-number-{number:05d}" for number in range(400)]
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(secrets.add, words))
    assert all(secrets.holds(word) and secrets.mask(word) == MASK for word in words)
