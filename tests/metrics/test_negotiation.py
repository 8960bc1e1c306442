"""Which format a request gets, by the weights of its headers; only what is really written is ever promised."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from exporter.metrics.negotiation import chosen_format, takes_gzip

PLAIN = "text/plain; version=0.0.4; charset=utf-8"
PLAIN_1 = "text/plain; version=1.0.0; charset=utf-8; escaping="
OPENMETRICS = "application/openmetrics-text; version=1.0.0; charset=utf-8"

PROMETHEUS_2 = (
    "application/openmetrics-text;version=1.0.0,application/openmetrics-text;version=0.0.1;q=0.75,"
    "text/plain;version=0.0.4;q=0.5,*/*;q=0.1"
)
PROMETHEUS_3 = (
    "application/openmetrics-text;version=1.0.0;escaping=allow-utf-8;q=0.6,"
    "application/openmetrics-text;version=0.0.1;q=0.5,text/plain;version=1.0.0;escaping=allow-utf-8;q=0.4,"
    "text/plain;version=0.0.4;q=0.3,*/*;q=0.2"
)
PROTOBUF_FIRST = (
    "application/vnd.google.protobuf;proto=io.prometheus.client.MetricFamily;encoding=delimited;q=0.7," + PROMETHEUS_3
)
PLAIN_FIRST = "text/plain;version=0.0.4;q=0.6,application/openmetrics-text;version=1.0.0;q=0.5"


@pytest.mark.parametrize(
    ("accept", "content_type"),
    [
        (PROMETHEUS_2, f"{OPENMETRICS}; escaping=underscores"),
        (PROMETHEUS_3, f"{OPENMETRICS}; escaping=allow-utf-8"),
        (PROTOBUF_FIRST, f"{OPENMETRICS}; escaping=allow-utf-8"),
        (PLAIN_FIRST, PLAIN),
        # weights, and not places
        ("application/openmetrics-text;q=0.1, text/plain;q=0.9", PLAIN),
        ("text/plain;q=0.1, application/openmetrics-text", OPENMETRICS),
        ("text/plain, application/openmetrics-text", PLAIN),
        ("application/openmetrics-text, text/plain", OPENMETRICS),
        ("*/*, application/openmetrics-text", OPENMETRICS),
        ("*/*;q=0.9, application/openmetrics-text;q=0.1", PLAIN),
        ('APPLICATION/OpenMetrics-Text; Version="1.0.0" ; Q=1.000', f"{OPENMETRICS}; escaping=underscores"),
        # what is refused
        ("application/openmetrics-text;q=0", PLAIN),
        ("application/openmetrics-text;q=0, */*", PLAIN),
        ("text/plain;q=0, */*", OPENMETRICS),
        ("text/*;q=0.5, application/*;q=0.6", OPENMETRICS),
        ("text/plain;q=0", PLAIN),
        ("*/*;q=0", PLAIN),
        # versions that nobody writes
        ("application/openmetrics-text;version=2.0.0", PLAIN),
        ("application/openmetrics-text;version=99.0.0, text/plain;q=0.1", PLAIN),
        ("application/openmetrics-text;version=0.0.1", PLAIN),
        ("text/plain;version=2.0.0;q=0.9, application/openmetrics-text;q=0.1", OPENMETRICS),
        ("text/plain;version=1.0.0", f"{PLAIN_1}underscores"),
        ("text/plain;version=1.0.0;escaping=allow-utf-8", f"{PLAIN_1}allow-utf-8"),
        ("text/plain;version=1.0.0;escaping=evil", f"{PLAIN_1}underscores"),
        # weights that are none
        ("application/openmetrics-text;q=2", PLAIN),
        ("application/openmetrics-text;q=high", PLAIN),
        ("application/openmetrics-text;q=0.0001", PLAIN),
    ],
)
def test_the_format(accept: str, content_type: str) -> None:
    assert chosen_format(accept).content_type == content_type


@given(
    st.lists(st.sampled_from([*PROMETHEUS_3.split(","), *PROMETHEUS_3.split(";"), ",", ";", "q=0", "*/*"])).map("".join)
)
def test_only_what_is_written_is_promised(accept: str) -> None:
    content_type = chosen_format(accept).content_type
    assert content_type.startswith((PLAIN, PLAIN_1, OPENMETRICS))


@pytest.mark.parametrize(
    ("accept_encoding", "is_taken"),
    [
        ("gzip", True),
        ("x-gzip", True),
        ("br, gzip;q=0.1", True),
        ("gzip;q=0.5, identity;q=0.5", True),
        ("gzip;q=0.5, identity", False),
        ("identity;q=0, *", True),
        ("identity;q=0, gzip;q=0.1", True),
        ("identity;q=0", False),
        ("*;q=0", False),
        ("*;q=0, gzip", True),
        ("gzip;q=0, *", False),
        ("*, gzip;q=0.1", False),
        ("br", False),
        ("gzip;q=none", False),
    ],
)
def test_gzip(accept_encoding: str, is_taken: bool) -> None:
    assert takes_gzip(accept_encoding) is is_taken
