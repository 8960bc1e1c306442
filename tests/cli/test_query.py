import json
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from exporter.cli.query import command

KEY = "sk-byts-0123456789abcdef"
ID = "task_01HQX9F2P6Y8VEX3CRZ8GXJVD9"
COMPLETED = {
    "task_id": ID,
    "out_task_id": "my-render",
    "status": "completed",
    "credits_used": 1.47,
    "output": [{"type": "video", "duration_seconds": 8}, {"type": "image"}],
}
FAILED: dict[str, object] = {
    "task_id": ID,
    "status": "failed",
    "error_code": "bad[red]",
    "error_message": f"key {KEY} no",
}


@dataclass
class Api:
    """What the API answers, and what it was asked."""

    status: int = 200
    record: dict[str, object] = field(default_factory=lambda: dict(COMPLETED))
    asked: list[tuple[dict[str, str], str]] = field(default_factory=list)
    url: str = ""


@pytest.fixture
def api() -> Iterator[Api]:
    found = Api()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            found.asked.append((json.loads(body), self.headers["Authorization"]))
            answer = json.dumps(found.record).encode()
            self.send_response(found.status)
            self.send_header("Content-Length", str(len(answer)))
            self.end_headers()
            self.wfile.write(answer)

        def log_message(self, *args: object) -> None:
            """Stay silent."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    found.url = f"http://127.0.0.1:{server.server_port}"
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    yield found
    server.shutdown()
    server.server_close()
    thread.join()


@pytest.fixture(autouse=True)
def environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("BYTESPIKE_TEST_KEY", KEY)


def ask(tmp_path: Path, api: Api, *arguments: str, accounts: tuple[str, ...] = ("default",)) -> Result:
    lines = ["accounts:"]
    for name in accounts:
        lines += [f"  - name: {name}", f"    base_url: {api.url}", "    api_key_env: BYTESPIKE_TEST_KEY"]
    lines += ["task_groups:", "  - name: renders", f"    account: {accounts[0]}"]
    file = tmp_path / "exporter.yml"
    file.write_text("\n".join([*lines, ""]))
    result = CliRunner().invoke(command, ["--config.file", str(file), *arguments])
    assert KEY not in result.output
    return result


TABLE = """
  account        default
  task_id        task_01HQX9F2P6Y8VEX3CRZ8GXJVD9
  out_task_id    my-render
  status         completed
  credits_used   1.47
  output         video, 8 s
  output         image
"""


def test_a_task_as_a_table(tmp_path: Path, api: Api) -> None:
    result = ask(tmp_path, api, ID)
    assert [line.rstrip() for line in result.output.strip().splitlines()] == [
        line.strip() if at == 0 else line for at, line in enumerate(TABLE.strip().splitlines())
    ]
    assert result.exit_code == 0
    assert api.asked == [({"task_id": ID}, f"Bearer {KEY}")]


def test_a_failed_task_is_shown_as_it_is_without_the_key(tmp_path: Path, api: Api) -> None:
    api.record = FAILED
    result = ask(tmp_path, api, ID)
    assert result.exit_code == 0
    assert "bad[red]" in result.output
    assert "key *** no" in result.output


def test_drift_is_shown(tmp_path: Path, api: Api) -> None:
    api.record = {"task_id": ID, "status": "expired"}
    assert "schema_drift" in ask(tmp_path, api, ID).output


def test_a_task_as_json(tmp_path: Path, api: Api) -> None:
    assert json.loads(ask(tmp_path, api, ID, "--json").output) == {
        "account": "default",
        "task_id": ID,
        "out_task_id": "my-render",
        "status": "completed",
        "estimated_seconds": None,
        "estimated_credits": None,
        "credits_used": 1.47,
        "error_code": None,
        "error_message": None,
        "outputs": [{"type": "video", "duration_seconds": 8.0}, {"type": "image", "duration_seconds": None}],
        "schema_drift": [],
    }


@pytest.mark.parametrize(
    ("arguments", "asked"),
    [
        ([ID], {"task_id": ID}),
        (["my-render"], {"out_task_id": "my-render"}),
        (["--out", "task_like"], {"out_task_id": "task_like"}),
    ],
)
def test_by_which_id_is_asked(tmp_path: Path, api: Api, arguments: list[str], asked: dict[str, str]) -> None:
    api.record = {"task_id": ID, "status": "running"}
    ask(tmp_path, api, *arguments)
    assert api.asked[0][0] == asked


@pytest.mark.parametrize("arguments", [[ID], [ID, "--json"]])
def test_a_task_that_is_not_known_has_its_exit_code(tmp_path: Path, api: Api, arguments: list[str]) -> None:
    api.status, api.record = 404, {"error": {"code": "task_not_found"}}
    result = ask(tmp_path, api, *arguments)
    assert result.exit_code == 4
    assert "not_found" in result.output


def test_a_failed_query_has_its_exit_code(tmp_path: Path, api: Api) -> None:
    api.status, api.record = 401, {"error": {"code": "invalid_api_key", "message": KEY}}
    result = ask(tmp_path, api, ID)
    assert (result.exit_code, result.output) == (5, "query failed: invalid_api_key: HTTP 401 invalid_api_key\n")


def test_a_failed_query_as_json(tmp_path: Path, api: Api) -> None:
    api.status, api.record = 503, {}
    result = ask(tmp_path, api, ID, "--json")
    assert result.exit_code == 5
    assert json.loads(result.output) == {
        "account": "default",
        "task_id": ID,
        "out_task_id": None,
        "error": {"reason": "server", "detail": "HTTP 503", "http_status": 503},
    }


def test_one_of_several_accounts_is_chosen(tmp_path: Path, api: Api) -> None:
    result = ask(tmp_path, api, ID, "--account", "b", "--json", accounts=("a", "b"))
    assert json.loads(result.output)["account"] == "b"


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ([ID], "Error: several accounts are configured: choose one with --account (a, b)\n"),
        ([ID, "--account", "c"], "Error: no account is named 'c': the configuration has a, b\n"),
    ],
)
def test_an_account_that_is_not_clear(tmp_path: Path, api: Api, arguments: list[str], message: str) -> None:
    result = ask(tmp_path, api, *arguments, accounts=("a", "b"))
    assert (result.exit_code, result.output, api.asked) == (1, message, [])


def test_a_missing_key(tmp_path: Path, api: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("BYTESPIKE_TEST_KEY")
    result = ask(tmp_path, api, ID)
    assert result.exit_code == 1
    assert result.output == "Error: account default: environment variable BYTESPIKE_TEST_KEY is not set or empty\n"


def test_a_configuration_with_mistakes(tmp_path: Path) -> None:
    file = tmp_path / "exporter.yml"
    file.write_text("acounts: []\n")
    result = CliRunner().invoke(command, ["--config.file", str(file), ID])
    assert result.exit_code == 1
    assert f"{file}:1: acounts" in result.output


def test_an_empty_id_is_wrong_usage(tmp_path: Path, api: Api) -> None:
    result = ask(tmp_path, api, " ")
    assert result.exit_code == 2
    assert "an id cannot be empty" in result.output


# ---- several, and until they have ended ------------------------------------------------------------------------------


def test_several_tasks_have_a_line_each(tmp_path: Path, api: Api) -> None:
    api.record = {"status": "running", "estimated_seconds": 35, "estimated_credits": 1.5}
    result = ask(tmp_path, api, "task_1", "task_2", "my-render", "task_1")
    lines = [line.split() for line in result.output.splitlines() if "running" in line]
    assert [line[:3] for line in lines] == [[name, "running", "~1.50"] for name in ("task_1", "task_2", "my-render")]
    assert (result.exit_code, len(api.asked)) == (0, 3)


def test_several_tasks_as_json_are_an_object_a_line(tmp_path: Path, api: Api) -> None:
    api.record = {"status": "running"}
    result = ask(tmp_path, api, "task_2", "task_1", "--json")
    assert [json.loads(line)["task_id"] for line in result.output.splitlines()] == ["task_2", "task_1"]


def test_what_the_api_says_does_not_paint_the_terminal(tmp_path: Path, api: Api) -> None:
    evil = "\x1b[2J\u202e[red]no[/]"
    api.record = {"status": evil, "error_message": evil, "output": [{"type": evil}]}
    for arguments in (["task_1"], ["task_1", "task_2"]):
        assert all(line.isprintable() for line in ask(tmp_path, api, *arguments).output.splitlines())


@pytest.mark.parametrize(
    ("record", "code"),
    [
        (COMPLETED, 0),
        ({"task_id": ID, "status": "failed", "error_code": "nope"}, 6),
        ({"task_id": ID, "status": "cancelled"}, 7),
    ],
)
def test_how_a_task_ended_is_the_exit_code_of_a_wait(
    tmp_path: Path, api: Api, record: dict[str, object], code: int
) -> None:
    api.record = record
    result = ask(tmp_path, api, ID, "--wait")
    assert (result.exit_code, result.stderr) == (code, f"{ID}: {record['status']}\n")
    assert ["status", record["status"]] in [line.split() for line in result.stdout.splitlines()]


def test_a_wait_is_over_when_its_time_is(tmp_path: Path, api: Api) -> None:
    api.record = {"task_id": ID, "status": "running"}
    assert ask(tmp_path, api, ID, "--wait", "--timeout", "1s").exit_code == 8


def test_a_timeout_without_a_wait_is_wrong_usage(tmp_path: Path, api: Api) -> None:
    result = ask(tmp_path, api, ID, "--timeout", "1s")
    assert (result.exit_code, "--timeout needs --wait" in result.output, api.asked) == (2, True, [])
