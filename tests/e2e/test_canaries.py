"""Secrets that are put wherever one may come by mistake or by malice, and looked for in everything that comes out."""

import json
import secrets
import signal
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlsplit

import httpx
import pytest
from click.testing import CliRunner

from exporter.cli.main import cli
from tests.support.processes import RunningExporter, start_exporter

pytestmark = pytest.mark.e2e

FILES = ("key", "token", "callback", "sd_token")
NAMES = ("env", "query", *FILES)

CONFIG = """\
global: {{labels: [team], poll: {{min_interval: 100ms, max_interval: 1s, default_eta: 1s}}}}
accounts:
  - {{name: one, base_url: "{url}", api_key_env: CANARY_KEY}}
  - {{name: two, base_url: "{url}", api_key_file: key}}
task_groups:
  - name: renders
    account: one
    model: sora-2
    labels: {{team: video}}
    static_configs: [{{task_ids: [task_1], out_task_ids: [mine]}}]
    file_sd_configs: [{{files: ["watched/*"], refresh_interval: 1s}}]
    http_sd_configs:
      - {{url: "{url}/list?token={query}", refresh_interval: 1s, authorization: {{credentials_file: sd_token}}}}
    api_config: {{}}
    callback_config: {{secret_file: callback, register_unknown: true}}
  - {{name: images, account: two, static_configs: [{{task_ids: [task_2]}}]}}
api: {{token_file: token}}
ledger: {{url: "sqlite:///{directory}/data/ledger.db"}}
"""

PLACES = (
    *(
        "[team]",
        "name: one",
        "CANARY_KEY",
        "api_key_file: key",
        "name: renders",
        "account: one",
        "sora-2",
        "team: video",
    ),
    *("task_1", "mine", "watched/*", "refresh_interval: 1s", "credentials_file: sd_token", "api_config", "two, static"),
    *(
        "secret_file: callback",
        "token_file: token",
        "sqlite:///",
        "100ms",
        "global",
        "register_unknown: true",
        "http://",
    ),
)
"""Where in the configuration somebody may paste one."""


@pytest.fixture
def canaries() -> dict[str, str]:
    """No secret has the form of a key: that they are known must be enough."""
    return {name: f"{secrets.token_hex(8)}-{secrets.choice('ghijklm') * 3}-{secrets.token_hex(8)}" for name in NAMES}


@contextmanager
def quoting_upstream() -> Iterator[str]:
    """An API that quotes whatever it is sent in whatever it answers."""

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            asked = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            key = str(self.headers["Authorization"])
            self.answer(
                {**asked, "status": "failed", "error_code": key.removeprefix("Bearer "), "error_message": f"with {key}"}
            )

        def do_GET(self) -> None:
            token, query = str(self.headers["Authorization"]).removeprefix("Bearer "), urlsplit(self.path).query
            self.answer([{"task_ids": [token, "ok"], "out_task_ids": [query.partition("=")[2]], "model": token}])

        def answer(self, body: object) -> None:
            content = json.dumps(body).encode()
            self.send_response(200)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def prepare(directory: Path, url: str, canaries: dict[str, str]) -> Path:
    """A configuration with every secret that there can be, and a watched folder with links to those in files."""
    (directory / "watched").mkdir()
    for name in FILES:
        (directory / name).write_text(canaries[name] + "\n")
        (directory / "watched" / name).symlink_to(directory / name)
    (directory / "watched" / "list.json").write_text(json.dumps([{"task_ids": [canaries["token"], canaries["key"]]}]))
    (directory / "watched" / "list.yml").write_text(f"- {{task_ids: [x], labels: {{team: {canaries['env']}}}}}\n")
    config = directory / "exporter.yml"
    config.write_text(CONFIG.format(url=url, query=canaries["query"], directory=directory))
    return config


@pytest.mark.slow
@pytest.mark.parametrize("log_format", ["json", "logfmt"])
def test_no_secret_comes_out_wherever_it_goes_in(tmp_path: Path, canaries: dict[str, str], log_format: str) -> None:
    env = {"CANARY_KEY": canaries["env"]}
    with quoting_upstream() as url:
        config = prepare(tmp_path, url, canaries)
        with start_exporter(config, "--log.level", "debug", env=env) as exporter:
            seen = list(answers(exporter, canaries))
            until(lambda: "discovery_failing" in exporter.output)
            seen += reloads(exporter, config, canaries)
            rotate(tmp_path, canaries)
            seen += answers(exporter, canaries)
            exporter.stop()
            seen.append(exporter.output)
        seen.append("".join(path.read_bytes().decode(errors="replace") for path in (tmp_path / "data").iterdir()))
    assert_none(seen, canaries)
    followed = next(text for text in seen if '"next"' in text)
    assert {task["task_id"] or task["out_task_id"] for task in json.loads(followed)["tasks"]} >= {"task_1", "mine"}


def answers(exporter: RunningExporter, canaries: dict[str, str]) -> Iterator[str]:
    """Everything that is answered to requests with a secret in each of their places."""
    until(lambda: httpx.get(f"{exporter.url}/-/ready", timeout=30).status_code == 200)
    with httpx.Client(base_url=exporter.url, headers={"Authorization": f"Bearer {canaries['token']}"}) as client:
        for path in (
            "/",
            "/config",
            "/metrics",
            "/sd",
            "/api/v1/tasks?limit=1000",
            "/probe?account=one&task_id=task_1",
        ):
            for accept in ("text/html", "*/*"):
                yield client.get(path, headers={"Accept": accept}).text
        yield client.get("/probe?account=one&task_id=task_1&debug=true").text
        for value in canaries.values():
            yield from (client.get(path).text for path in paths_with(value))
            yield from (client.post("/api/v1/tasks", json=item).text for item in items_with(value))
            yield client.delete(f"/api/v1/tasks/{value}").text
            yield client.post(f"/-/reload?{value}=1").text
            for payload in ({"task_id": value}, {"task": {"out_task_id": value}}, {value: value}):
                yield client.post(f"/api/v1/callbacks/renders/{canaries['callback']}", json=payload).text
        for value in [canaries["query"], canaries["key"]] if "old key" not in canaries else []:
            yield httpx.get(f"{exporter.url}/config", headers={"Authorization": f"Bearer {value}"}, timeout=30).text
        yield client.get("/api/v1/tasks?limit=1000").text
        yield client.get("/metrics").text


def paths_with(value: str) -> list[str]:
    return [
        f"/{value}",
        f"/metrics?name[]={value}",
        f"/sd?{value}=1",
        f"/sd?group={value}",
        f"/probe?account=one&task_id={value}",
        f"/probe?account=one&out_task_id=x{value}",
        f"/probe?account={value}&task_id=x",
        f"/probe?{value}=1",
        f"/api/v1/tasks/{value}",
        f"/api/v1/tasks?{value}=1",
        f"/api/v1/tasks?status={value}",
        f"/api/v1/tasks?cursor={quote(value)}",
    ]


def items_with(value: str) -> list[object]:
    return [
        {"task_ids": [value]},
        {"out_task_ids": [f"a{value}b", f"a{value}b"]},
        {"task_ids": ["x"], "model": value},
        {"task_ids": ["x"], "labels": {"team": value}},
        {"task_ids": ["x"], "labels": {value: "x"}},
        {"task_ids": ["x"], "group": value},
        {"task_ids": ["x"], value: 1},
        {"task_ids": ["x"], "submitted_at": value},
        {"task_ids": value},
        value,
    ]


def reloads(exporter: RunningExporter, config: Path, canaries: dict[str, str]) -> list[str]:
    """What a reload answers, and what ``check-config`` prints, with a secret in each place of the file."""
    good, seen = config.read_text(), []
    headers = {"Authorization": f"Bearer {canaries['token']}"}
    names = list(NAMES)
    for number, place in enumerate(PLACES):
        assert place in good
        value = canaries[names[number % len(names)]]
        for pasted in (value, f"{place}{value}"):
            config.write_text(good.replace(place, pasted))
            seen.append(httpx.post(f"{exporter.url}/-/reload?dry_run=1", headers=headers, timeout=30).text)
        result = CliRunner().invoke(
            cli, ["check-config", "--estimate", str(config)], env={"CANARY_KEY": canaries["env"]}
        )
        seen += [result.output, repr(result.exception)]
    config.write_text(good.replace("renders", canaries["env"]))
    exporter.send(signal.SIGHUP)
    until(lambda: "config_reload_refused" in exporter.output)
    config.write_text(good)
    return seen


def rotate(directory: Path, canaries: dict[str, str]) -> None:
    """Other secrets, to which the same links lead: whoever reads them first must not take them for tasks."""
    for name in FILES:
        canaries[f"old {name}"] = canaries[name]
        canaries[name] = f"{secrets.token_hex(8)}-new-{secrets.token_hex(8)}"
        (directory / name).write_text(canaries[name] + "\n")
    time.sleep(1.5)


def assert_none(seen: list[str], canaries: dict[str, str]) -> None:
    for name, value in canaries.items():
        for text in seen:
            at = text.find(value)
            assert at < 0, (name, text[max(0, at - 300) : at + 100])


def until(look: Callable[[], Any], *, seconds: float = 30.0) -> None:
    deadline = time.monotonic() + seconds
    while not look():
        assert time.monotonic() < deadline
        time.sleep(0.1)
