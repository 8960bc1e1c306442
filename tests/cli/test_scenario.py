"""The command against a real simulator: what it switches on and off, says and refuses."""

import json
import time
from collections.abc import Iterator
from pathlib import Path
from urllib.request import urlopen

import pytest
from click.testing import CliRunner, Result

from exporter.cli.main import cli
from exporter.cli.scenario import parse_lasting, parse_param, parse_url
from exporter.simulator.scenarios import KINDS
from tests.support.processes import start_simulator


@pytest.fixture(scope="module")
def simulator(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with start_simulator(tmp_path_factory.mktemp("simulator")) as running:
        yield running.url


def scenario(*args: str, at: str = "") -> Result:
    flags = ("--at", at) if at else ()
    return CliRunner().invoke(cli, ["scenario", *args, *flags], prog_name="bytespike-exporter")


def planned(url: str) -> list[dict[str, object]]:
    with urlopen(f"{url}/sim/scenarios") as answer:
        told: list[dict[str, object]] = json.load(answer)
    return told


@pytest.mark.e2e
def test_one_is_switched_on_listed_and_ended(simulator: str) -> None:
    on = scenario("outage", "--for", "10m", "--set", "ratio=0.5", "--account", "demo", at=simulator)
    assert on.exit_code == 0, on.output
    [outage] = planned(simulator)
    assert outage["params"] == {"ratio": 0.5, "account": "demo", "status": 503}
    until = time.strftime("%H:%M:%S", time.localtime(outage["start"] + 600))  # type: ignore[operator] # it is a number
    assert on.output.splitlines() == [
        f"outage is on until {until} (10m). Requests get a 5xx.",
        f"To end it before: bytespike-exporter scenario end outage --at {simulator}",
    ]

    listed = scenario("list", at=simulator).output.splitlines()
    assert [line.split()[0] for line in listed] == list(KINDS)
    assert f"outage            on until {until} ratio=0.5, account=demo  Requests get a 5xx." in listed
    assert "forbidden         off                   Requests get 403." in listed

    assert scenario("end", "outage", at=simulator).output == "outage is over.\n"
    assert planned(simulator) == []


@pytest.mark.e2e
def test_one_that_comes_later_stays_on(simulator: str) -> None:
    on = scenario("slow_answers", "--after", "1h", at=simulator)
    [later] = planned(simulator)
    assert (later["active"], later["end"]) == (False, None)
    begins = time.strftime("%H:%M:%S", time.localtime(later["start"]))  # type: ignore[arg-type] # it is a number
    assert on.output.startswith(f"slow_answers is planned from {begins}. ")
    assert f"\nTo end it: bytespike-exporter scenario end slow_answers --at {simulator}\n" in on.output
    assert f"planned from {begins}" in scenario("list", at=simulator).output
    assert scenario("end", "slow_answers", at=simulator).exit_code == 0


@pytest.mark.e2e
@pytest.mark.parametrize(
    ("args", "told"),
    [
        (["outage", "--set", "colour=red"], "outage has no parameter 'colour'; there are: ratio, account, status"),
        (["outage", "--set", "ratio=2"], "outage: ratio: Input should be less than or equal to 1"),
        (["outage", "--account", "third"], "no account is named 'third'; there are: demo, second"),
        (["end", "garbage"], "garbage is neither on nor planned; what is: nothing"),
    ],
)
def test_what_the_simulator_refuses(simulator: str, args: list[str], told: str) -> None:
    result = scenario(*args, at=simulator)
    assert (result.exit_code, result.output) == (5, f"Error: the simulator refuses: {told}\n")


@pytest.mark.parametrize("args", [["outage"], ["list"], ["end", "outage"]])
def test_no_simulator(args: list[str]) -> None:
    result = scenario(*args, at="http://127.0.0.1:1")
    assert result.exit_code == 4
    assert result.output == (
        "Error: no simulator answers at http://127.0.0.1:1 (ConnectError). "
        "Start one with bytespike-exporter demo or simulate, or say by --at where it is.\n"
    )


@pytest.mark.parametrize("args", [["earthquake"], ["end", "earthquake"]])
def test_an_unknown_name_is_told_with_those_that_there_are(args: list[str]) -> None:
    result = scenario(*args)
    assert result.exit_code == 2
    assert "'earthquake'" in result.output
    assert [name for name in KINDS if name not in result.output] == []


def test_its_help_has_every_scenario_with_its_parameters() -> None:
    assert [name for name in KINDS if f"\n  {name} " not in scenario("--help").output] == []
    assert "Parameters: ratio=0.8, account=, error_code=sim_upstream_error\n" in scenario("failure_wave", "-h").output


def test_addresses() -> None:
    assert parse_url("http://127.0.0.1:9879") == "http://127.0.0.1:9879"
    for text in ("127.0.0.1:9879", "localhost:9879", "ftp://host", "http://", "http://[", ""):
        with pytest.raises(ValueError, match=r"^expected http://HOST:PORT, such as http://127.0.0.1:9879$"):
            parse_url(text)


def test_durations() -> None:
    assert parse_lasting("1h30m") == 5400
    for text, told in (("0", "expected more than 0"), ("0s", "expected more than 0"), ("long", "is not a duration")):
        with pytest.raises(ValueError, match=told):
            parse_lasting(text)


def test_parameters() -> None:
    assert parse_param("error_code=a=b") == ("error_code", "a=b")
    assert parse_param("key=") == ("key", "")
    for text in ("ratio", "=1", ""):
        with pytest.raises(ValueError, match=r"^expected PARAM=VALUE, such as ratio=0.5$"):
            parse_param(text)


def test_the_default_is_where_a_simulator_listens_by_itself() -> None:
    from exporter.cli.simulate import command
    from exporter.simulator.steering import SIMULATOR

    [listen] = [param for param in command.params if param.name == "listen"]
    assert f"http://{listen.default}" == SIMULATOR


def test_documentation() -> None:
    """docs/simulator.md lists every scenario."""
    page = (Path(__file__).parents[2] / "docs" / "simulator.md").read_text()
    assert [name for name in KINDS if f"| `{name}` |" not in page] == []
