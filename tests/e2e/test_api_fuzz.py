"""The API against its own description: whatever is sent, the answer comes soon and is one of those described."""

from collections.abc import Generator, Iterator
from contextlib import closing
from itertools import count
from typing import Any

import httpx
import pytest
import requests
import schemathesis
from hypothesis import HealthCheck, settings
from requests.adapters import HTTPAdapter
from schemathesis import Case, CheckContext, Response
from schemathesis.checks import (
    content_type_conformance,
    not_a_server_error,
    response_schema_conformance,
    status_code_conformance,
)

from exporter.web.api.openapi import openapi
from tests.support.processes import RunningExporter, start_exporter

pytestmark = pytest.mark.e2e

CONFIG = """\
global: {labels: [team]}
accounts:
  - {name: one, base_url: "http://127.0.0.1:9", api_key_env: KEY, timeout: 200ms}
task_groups:
  - {name: renders, api_config: {}, callback_config: {secret_file: secret, register_unknown: true}}
"""


def no_fault_of_ours(context: CheckContext, response: Response, case: Case[Any]) -> bool | None:
    """As the library's, but for 503, which is described: the probe's turn has not come, or too many ask."""
    return None if response.status_code == 503 else not_a_server_error(context, response, case)


CHECKS = [no_fault_of_ours, status_code_conformance, content_type_conformance, response_schema_conformance]

HANG_SECONDS = 5.0
"""An answer that takes longer never comes, as far as a user can tell."""

MOST_LINES = 200
"""What the log may have after all of it: what is tried on registered tasks is told by the poller, too."""

HEADERS = {"X-Prometheus-Scrape-Timeout-Seconds": "1"}
"""So long a probe waits for the upstream, which is not there."""

# a case sends a request: its time is the machine's, and its draws are what matters
some = settings(max_examples=40, deadline=None, suppress_health_check=list(HealthCheck), database=None)

schema = schemathesis.openapi.from_dict(openapi())


@pytest.fixture(scope="module")
def exporter(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningExporter]:
    directory = tmp_path_factory.mktemp("fuzz")
    (directory / "secret").write_text("s3cret")
    config = directory / "exporter.yml"
    config.write_text(f"{CONFIG}ledger: {{url: 'sqlite:///{directory}/ledger.db'}}\n")
    with start_exporter(config, env={"KEY": "sk-byts-fuzz"}) as running:
        yield running
        assert httpx.get(f"{running.url}/-/healthy", timeout=30).status_code == 200
        assert not [event for event in running.events() if event.get("level") in ("critical", "error")]
        assert "Traceback" not in running.output
        assert len(running.output.splitlines()) < MOST_LINES, "a line for each request would be thousands"


class Stranger(HTTPAdapter):
    """Asks from an address of its own: whoever brings wrong credentials again and again is answered late."""

    def __init__(self, number: int) -> None:
        self._source = (f"127.{number >> 16 & 255}.{number >> 8 & 255}.{number & 255}", 0)
        super().__init__()

    def init_poolmanager(self, *args: Any, **kwargs: Any) -> None:
        super().init_poolmanager(*args, source_address=self._source, **kwargs)


@pytest.fixture(scope="module")
def strangers() -> Iterator[Generator[requests.Session]]:
    """Sessions, each of somebody else."""

    def sessions() -> Generator[requests.Session]:
        for number in count(2):
            with requests.Session() as session:
                session.mount("http://", Stranger(number))
                yield session

    with closing(sessions()) as each:
        yield each


@pytest.mark.slow
@schema.parametrize()
@some
def test_every_answer_is_described(
    exporter: RunningExporter, strangers: Iterator[requests.Session], case: Case[Any]
) -> None:
    case.call_and_validate(
        base_url=exporter.url, headers=HEADERS, checks=CHECKS, timeout=HANG_SECONDS, session=next(strangers)
    )


@schema.include(operation_id="takeCallback").parametrize()
@some
def test_whoever_knows_the_secret_is_answered_as_well(exporter: RunningExporter, case: Case[Any]) -> None:
    case.path_parameters = {"group": "renders", "secret": "s3cret"}
    response = case.call_and_validate(base_url=exporter.url, headers=HEADERS, checks=CHECKS, timeout=HANG_SECONDS)
    assert response.status_code in (202, 400, 405, 413)


def test_the_description_is_valid() -> None:
    schema.validate()
