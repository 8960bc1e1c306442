"""The demo in this process, its children as real ones."""

import asyncio
import stat
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import httpx
import pytest
import yaml
from click.testing import CliRunner

from exporter.cli.main import cli
from exporter.demo.demo import Addresses, Demo, DemoError, Plan, _post, write_config, write_key
from exporter.demo.monitoring import ALERTMANAGER, CONFIG, PROMETHEUS, Found, look
from exporter.demo.processes import ChildError
from exporter.settings.load import load
from tests.support.monitoring import alertmanager_config, prometheus_config, write_rules
from tests.support.tools import need_tool

PLAN = Plan(seed=7, time_scale=20, port=0)
ALONE = Found({}, "on their own")


async def begun(
    directory: Path, found: Found, tell: Callable[[str], None] = print, config: Path = CONFIG
) -> tuple[Demo, asyncio.Task[None], Addresses]:
    """A demo that has come to its addresses, and its run."""
    ready: asyncio.Future[Addresses] = asyncio.get_running_loop().create_future()
    demo = Demo(PLAN, directory, ready=ready.set_result, tell=tell, found=found, config=config)
    run = asyncio.create_task(demo.run())
    either: set[asyncio.Future[Any]] = {run, ready}
    await asyncio.wait(either, return_when=asyncio.FIRST_COMPLETED)
    if run.done():
        await run
    return demo, run, ready.result()


async def until(look: Callable[[], Awaitable[bool]]) -> None:
    for _ in range(600):
        if await look():
            return
        await asyncio.sleep(0.2)
    raise AssertionError(look)


async def ended(run: asyncio.Task[None]) -> None:
    run.cancel()
    await asyncio.gather(run, return_exceptions=True)
    assert run.cancelled()


@pytest.mark.slow
@pytest.mark.e2e
async def test_tasks_come_and_are_counted(tmp_path: Path) -> None:
    _, run, at = await begun(tmp_path, ALONE)
    assert (at.monitoring, at.remark, at.views) == ({}, "on their own", {})
    async with httpx.AsyncClient(trust_env=False) as http:

        async def are_counted_beyond_the_first_wave() -> bool:
            page = (await http.get(f"{at.exporter}/metrics?name[]=bytespike_tasks_finished_total")).text
            return sum(float(line.split()[-1]) for line in page.splitlines() if line[0] != "#") > 12

        await until(are_counted_beyond_the_first_wave)
    await ended(run)


@pytest.mark.slow
@pytest.mark.e2e
async def test_a_dead_child_ends_it_and_the_other_child(tmp_path: Path) -> None:
    demo, run, at = await begun(tmp_path, ALONE)
    demo._children[0]._process.kill()
    with pytest.raises(ChildError, match=r"^the simulator ended \(exit code -9\)"):
        await run
    async with httpx.AsyncClient(trust_env=False) as http:
        with pytest.raises(httpx.ConnectError):
            await http.get(at.exporter)


@pytest.mark.slow
@pytest.mark.e2e
async def test_prometheus_scrapes_it_and_knows_the_shipped_rules_and_alertmanager(tmp_path: Path) -> None:
    need_tool("prometheus")
    need_tool("prometheus-alertmanager")
    demo, run, at = await begun(tmp_path, look())
    assert at.remark == ""
    assert {"Alerts", "Alertmanager"} <= set(at.views)
    async with httpx.AsyncClient(trust_env=False, base_url=at.monitoring[PROMETHEUS]) as http:

        async def data(path: str) -> Any:
            return (await http.get(f"/api/v1/{path}")).json()["data"]

        rules = {rule["name"] for group in (await data("rules"))["groups"] for rule in group["rules"]}
        assert {"ByteSpikeUpstreamDown", "account:bytespike_api_requests:rate5m"} <= rules

        async def are_targets() -> bool:
            found = {target["scrapeUrl"] for target in (await data("targets"))["activeTargets"]}
            return found == {f"{at.exporter}/metrics", f"{at.monitoring[PROMETHEUS]}/metrics"}

        await until(are_targets)  # it begins to scrape within an interval
        [alertmanager] = (await data("alertmanagers"))["activeAlertmanagers"]
        assert alertmanager["url"].startswith(at.monitoring[ALERTMANAGER])
    await ended(run)
    assert all(child._process.returncode is not None for child in demo._children)


@pytest.mark.slow
@pytest.mark.e2e
async def test_what_the_command_lets_go_wrong_is_told_of(tmp_path: Path) -> None:
    """The shipped rules and routes, as much faster as a busy machine can keep up with."""
    need_tool("prometheus")
    need_tool("prometheus-alertmanager")
    told: list[str] = []
    _, run, at = await begun(tmp_path, look(), told.append, faster_config(tmp_path / "config", speed=8))
    command = ["scenario", "key_revoked", "--for", "10m", "--account", "second", "--at", at.simulator]
    done = await asyncio.to_thread(CliRunner().invoke, cli, command)
    assert done.exit_code == 0, done.output

    async def is_told() -> bool:
        return ["page", "ByteSpikeAPIKeyRejected", "firing", "account=second"] in [line.split()[1:5] for line in told]

    await until(is_told)
    assert not [line for line in told if "account=demo" in line]
    await ended(run)


def faster_config(directory: Path, *, speed: float) -> Path:
    """The shipped files of Prometheus and Alertmanager, so many times as fast, with the shipped addresses."""
    directory.mkdir()
    (directory / "prometheus").mkdir()
    write_rules(directory / "prometheus" / "rules", speed=speed)
    prometheus = prometheus_config(
        own="localhost:9090", exporters=["localhost:9877"], alertmanager="localhost:9093", speed=speed
    )
    (directory / "prometheus" / "prometheus.yml").write_text(yaml.safe_dump(prometheus))
    alertmanager = alertmanager_config(webhook="http://localhost:9095", speed=speed)
    (directory / "alertmanager.yml").write_text(yaml.safe_dump(alertmanager))
    return directory


@pytest.mark.parametrize(
    ("answer", "told"),
    [
        (httpx.Response(503, text="not now\n"), "^http://test/ answered 503: not now$"),
        (httpx.ConnectError("no"), r"^http://test/ does not answer \(ConnectError\)$"),
    ],
)
async def test_a_simulator_that_does_not_take_the_first_tasks(answer: Any, told: str) -> None:
    def handle(_: httpx.Request) -> httpx.Response:
        if isinstance(answer, Exception):
            raise answer
        return answer  # type: ignore[no-any-return] # it is a response then

    async with httpx.AsyncClient(transport=httpx.MockTransport(handle)) as http:
        with pytest.raises(DemoError, match=told):
            await _post(http, "http://test/", json={})


def test_a_key_is_its_owners_alone(tmp_path: Path) -> None:
    path = write_key(tmp_path, "demo", "sk-byts-demo")
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert path.read_text() == "sk-byts-demo"


def test_the_configuration_is_one_the_exporter_takes(tmp_path: Path) -> None:
    keys = {name: write_key(tmp_path, name, f"sk-byts-{name}") for name in ("one", "two")}
    path = tmp_path / "exporter.yml"
    write_config(path, simulator="http://127.0.0.1:1", keys=keys)
    settings = load(path)
    assert [(group.name, group.account) for group in settings.task_groups] == [
        ("one-tasks", "one"),
        ("two-tasks", "two"),
    ]
    [source] = settings.task_groups[0].http_sd_configs
    assert (source.url, source.refresh_interval) == (
        "http://127.0.0.1:1/sim/sd?account=one&finished_within=300",
        3.0,
    )
    assert settings.accounts[1].api_key_file == keys["two"]
    assert settings.ledger.url == f"sqlite:///{tmp_path}/ledger.db"
