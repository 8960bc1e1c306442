"""The command: it measures what it is asked for, and refuses what would not be true."""

import pytest

from monitoring.reaction import figures
from monitoring.reaction.__main__ import main
from tests.support.servers import INSTALLED


def test_a_situation_that_there_is_not(capsys: pytest.CaptureFixture[str]) -> None:
    INSTALLED.need("promtool")
    assert main(["outage", "flood"]) == 2
    assert capsys.readouterr().err == "no such situation: flood\n"


def test_of_other_rules_nothing_is_kept(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    INSTALLED.need("promtool")
    monkeypatch.setattr("monitoring.reaction.__main__.load", lambda: figures.Figures("of other rules", {}))
    assert main(["outage"]) == 2
    assert "the rules have changed" in capsys.readouterr().err


def test_without_promtool_it_says_so(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "")
    monkeypatch.delenv("PROMTOOL", raising=False)
    assert main([]) == 2
    assert "promtool is not installed" in capsys.readouterr().err
