"""A crash of ``serve``: told in the log, where secrets are known, and never as a fault of the configuration."""

import json
import logging
from collections.abc import Iterator
from pathlib import Path

import pytest
from click.testing import CliRunner

from exporter.cli import serve
from exporter.cli.main import cli
from tests.support.logging_kept import logging_kept

SECRET = "correct-horse-battery-staple"


@pytest.fixture(autouse=True)
def as_before() -> Iterator[None]:
    with logging_kept():
        yield


async def crash(*_: object, **__: object) -> None:
    raise RuntimeError(f"sent with {SECRET}")


@pytest.mark.parametrize("log_format", ["json", "logfmt"])
def test_its_traceback_shows_no_secret(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str], log_format: str
) -> None:
    (tmp_path / "key").write_text(f"{SECRET}\n")
    config = tmp_path / "exporter.yml"
    config.write_text("accounts: [{name: one, api_key_file: key}]\n")
    monkeypatch.setattr(serve, "_serve", crash)

    flags = ["--config.file", str(config), "--web.listen-address=127.0.0.1:0", f"--log.format={log_format}"]
    result = CliRunner().invoke(cli, ["serve", *flags])

    for handler in logging.getLogger().handlers:
        handler.flush()  # as the interpreter does at its end
    output = result.output + capfd.readouterr().err
    assert result.exit_code == 70
    assert "sent with ***" in output
    assert SECRET not in output
    assert output.count("Traceback") == 1, "it is told once"
    if log_format == "json":
        told = [json.loads(line) for line in output.splitlines()]
        [last] = [line for line in told if line["level"] == "error"]
        assert (last["event"], last["exit_code"]) == ("fatal", 70)
