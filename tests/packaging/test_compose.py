"""compose.yaml as far as it can be judged without an engine, and the files that it mounts."""

import subprocess
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
import yaml
from click.testing import CliRunner

from exporter.cli.demo_receiver import command as demo_receiver
from exporter.cli.simulate import command as simulate
from exporter.demo.receiver import RECEIVER_PORT
from exporter.settings.load import load
from exporter.simulator.accounts import default_accounts
from exporter.simulator.steering import SIMULATOR
from tests.support.tools import need_tool

PROJECT = Path(__file__).parents[2]
COMPOSE: dict[str, Any] = yaml.safe_load((PROJECT / "compose.yaml").read_text())
SERVICES: dict[str, dict[str, Any]] = COMPOSE["services"]

GRAFANA = PROJECT / "config/grafana/provisioning"


def mounts(service: Mapping[str, Any]) -> Iterator[tuple[str, str, str]]:
    """Source, target and mode of each volume."""
    for volume in service.get("volumes", []):
        source, target, *mode = volume.split(":")
        yield source, target, (mode or ["rw"])[0]


def inside(name: str, path: str) -> Path:
    """The file of this tree that a service sees at a path."""
    for source, target, _ in mounts(SERVICES[name]):
        if source.startswith("./") and (path == target or path.startswith(f"{target}/")):
            return PROJECT / source / path.removeprefix(target).lstrip("/")
    raise AssertionError(f"nothing is mounted at {path}")


def option(name: str, flag: str) -> str:
    """The value of an option on a service's command line."""
    [value] = [word.removeprefix(f"{flag}=") for word in SERVICES[name]["command"] if word.startswith(f"{flag}=")]
    return str(value)


ALWAYS = {"exporter", "simulator", "prometheus", "alertmanager", "receiver", "grafana"}
REPLICAS = {"replica-one": 9881, "replica-two": 9882}
"""The ports at which they listen."""


def test_everything_is_there() -> None:
    assert {name for name, service in SERVICES.items() if "profiles" not in service} == ALWAYS
    assert {name for name, service in SERVICES.items() if service.get("profiles") == ["replicas"]} == {
        *REPLICAS,
        "replicas-simulator",
        "replicas-prometheus",
        "postgres",
        "passfile",
    }


@pytest.mark.parametrize("name", SERVICES)
def test_a_service_can_do_no_more_than_it_must(name: str) -> None:
    service = SERVICES[name]
    assert service["read_only"] is True
    assert service["cap_drop"] == ["ALL"]
    assert service["security_opt"] == ["no-new-privileges:true"]
    assert int(service["user"].partition(":")[0]) > 0
    assert "privileged" not in service
    assert all(port.startswith("127.0.0.1:") for port in service.get("ports", []))


@pytest.mark.parametrize("name", SERVICES)
def test_what_is_mounted_exists_and_is_not_written_to(name: str) -> None:
    for source, _, mode in mounts(SERVICES[name]):
        if source.startswith("./"):
            assert (PROJECT / source).exists(), source
            assert mode == "ro", source
        else:
            assert source in COMPOSE["volumes"]


@pytest.mark.parametrize("name", SERVICES)
def test_an_image_has_an_exact_version(name: str) -> None:
    _, _, tag = SERVICES[name]["image"].rpartition(":")
    assert tag.removeprefix("v").count(".") == (1 if name == "postgres" else 2)
    assert all(part.isdecimal() for part in tag.removeprefix("v").split("."))


@pytest.mark.parametrize("name", sorted(set(SERVICES) - {"exporter", "passfile"}))
def test_a_service_has_a_health_check(name: str) -> None:
    """That of the exporter is in its image, and what writes the passfile ends at once."""
    assert SERVICES[name]["healthcheck"]["test"][0] == "CMD"


def test_the_exporter_takes_its_configuration_and_knows_the_simulators_keys() -> None:
    settings = load(inside("exporter", "/etc/bytespike-exporter/exporter.yml"))
    environment = SERVICES["exporter"]["environment"]
    keys = {account.name: environment[account.api_key_env] for account in settings.accounts}
    assert keys == {account.name: account.keys[0].key for account in default_accounts()}
    assert settings.ledger.url == "sqlite:///data/ledger.db"
    assert ("ledger", "/data", "rw") in mounts(SERVICES["exporter"])


def test_exporter_and_simulator_share_one_loopback() -> None:
    """The simulator tells its tasks to loopback clients only."""
    assert SERVICES["simulator"]["network_mode"] == "service:exporter"
    settings = load(inside("exporter", "/etc/bytespike-exporter/exporter.yml"))
    sources = [source.url for group in settings.task_groups for source in group.http_sd_configs]
    addresses = [*sources, *(account.base_url for account in settings.accounts)]
    assert all(address.startswith("http://127.0.0.1:9879") for address in addresses)


def test_the_simulator_takes_its_command_line() -> None:
    _, *flags = SERVICES["simulator"]["command"]
    # it reads all of the line before it tries to listen, which is refused here
    done = CliRunner().invoke(simulate, [*flags, "--listen=192.0.2.1:0"])
    assert (done.exit_code, done.output) == (
        3,
        "Error: 192.0.2.1:0 is not a loopback address; --listen.public allows it\n",
    )


ADDRESSES = {
    "localhost:9877": "exporter:9877",
    "localhost:9093": "alertmanager:9093",
    **{f"exporter-{number}:9877": f"replicas-simulator:{port}" for number, port in enumerate(REPLICAS.values())},
}
SHIPPED = {"prometheus": "prometheus.yml", "replicas-prometheus": "replicas.yml"}

each_prometheus = pytest.mark.parametrize("name", SHIPPED)


@each_prometheus
def test_prometheus_is_as_shipped_but_for_addresses(name: str) -> None:
    told = (PROJECT / "config/prometheus" / SHIPPED[name]).read_text()
    for address, here in ADDRESSES.items():
        told = told.replace(address, here)
    config = inside(name, option(name, "--config.file"))
    assert yaml.safe_load(config.read_text()) == yaml.safe_load(told)


@each_prometheus
def test_prometheus_has_the_shipped_rules(name: str) -> None:
    assert inside(name, "/etc/prometheus/rules") == PROJECT / "config/prometheus/rules"


@each_prometheus
def test_promtool_finds_no_fault(tmp_path: Path, name: str) -> None:
    """With the rules beside it, as they are mounted."""
    config = inside(name, option(name, "--config.file"))
    (tmp_path / "prometheus.yml").write_text(config.read_text())
    (tmp_path / "rules").symlink_to(PROJECT / "config/prometheus/rules")
    command = [need_tool("promtool"), "check", "config", "--lint-fatal", str(tmp_path / "prometheus.yml")]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "2 rule files found" in done.stdout


def test_alertmanager_is_as_shipped() -> None:
    config = inside("alertmanager", option("alertmanager", "--config.file"))
    assert config == PROJECT / "config/alertmanager.yml"


def test_the_receiver_listens_where_alertmanager_sends() -> None:
    """On Alertmanager's own loopback, so that the shipped file is right there, too."""
    assert SERVICES["receiver"]["network_mode"] == "service:alertmanager"
    assert SERVICES["receiver"]["command"] == ["demo-receiver"]
    assert f"127.0.0.1:{RECEIVER_PORT}" in [param.default for param in demo_receiver.params]
    config = yaml.safe_load(inside("alertmanager", option("alertmanager", "--config.file")).read_text())
    urls = {webhook["url"] for each in config["receivers"] for webhook in each["webhook_configs"]}
    assert urls == {f"http://localhost:{RECEIVER_PORT}/alerts"}


def test_a_scenario_is_switched_on_from_within_the_simulators_container() -> None:
    """Without saying where it is: docker compose exec simulator bytespike-exporter scenario outage --for 10m."""
    settings = load(inside("exporter", "/etc/bytespike-exporter/exporter.yml"))
    assert {account.base_url for account in settings.accounts} == {SIMULATOR}


def test_grafana_reads_the_shipped_dashboards() -> None:
    [provider] = yaml.safe_load((GRAFANA / "dashboards/bytespike.yml").read_text())["providers"]
    assert inside("grafana", provider["options"]["path"]) == PROJECT / "dashboards"
    home = SERVICES["grafana"]["environment"]["GF_DASHBOARDS_DEFAULT_HOME_DASHBOARD_PATH"]
    assert inside("grafana", home).is_file()


def test_grafanas_data_sources_are_services_here() -> None:
    sources = yaml.safe_load((GRAFANA / "datasources/bytespike.yml").read_text())["datasources"]
    hosts = {source["type"]: source["url"] for source in sources}
    assert hosts == {"prometheus": "http://prometheus:9090", "alertmanager": "http://alertmanager:9093"}
    by_type = {source["type"]: source for source in sources}
    assert by_type["prometheus"]["jsonData"]["alertmanagerUid"] == by_type["alertmanager"]["uid"]
    scraped = yaml.safe_load((PROJECT / "config/prometheus/prometheus.yml").read_text())["global"]["scrape_interval"]
    assert by_type["prometheus"]["jsonData"]["timeInterval"] == scraped


def test_provisioning_has_no_file_that_nobody_reads() -> None:
    files = {str(path.relative_to(GRAFANA)) for path in GRAFANA.rglob("*") if path.is_file()}
    assert files == {"dashboards/bytespike.yml", "datasources/bytespike.yml"}


# ---- docker compose --profile replicas up ----------------------------------------------------------------------------


def test_nobody_who_is_always_there_waits_for_a_replica() -> None:
    """A service of a profile that is off cannot be depended on."""
    for name in ALWAYS:
        assert set(SERVICES[name].get("depends_on", [])) <= ALWAYS


def test_the_replicas_have_one_configuration_and_names_of_their_own() -> None:
    inside_all = {inside(name, "/etc/bytespike-exporter/exporter.yml") for name in REPLICAS}
    assert inside_all == {PROJECT / "config/compose/replicas.yml"}
    assert len({option(name, "--replica.id") for name in REPLICAS}) == len(REPLICAS)


@pytest.mark.parametrize(("name", "port"), REPLICAS.items())
def test_a_replica_is_reached_at_its_port(name: str, port: int) -> None:
    assert SERVICES[name]["network_mode"] == "service:replicas-simulator"
    assert option(name, "--web.listen-address") == f":{port}"
    assert f"127.0.0.1:{port}/-/healthy" in SERVICES[name]["healthcheck"]["test"][-1]
    assert f"127.0.0.1:{port}:{port}" in SERVICES["replicas-simulator"]["ports"]


def test_no_task_is_followed_by_the_single_exporter_too() -> None:
    """Its simulator is another one, and accounts of one name would be added up."""
    settings = load(PROJECT / "config/compose/replicas.yml")
    alone = load(inside("exporter", "/etc/bytespike-exporter/exporter.yml"))
    assert not {account.name for account in settings.accounts} & {account.name for account in alone.accounts}
    environment = SERVICES["replica-one"]["environment"]
    keys = [environment[account.api_key_env] for account in settings.accounts]
    assert keys == [account.keys[0].key for account in default_accounts()]
    listening = option("replicas-simulator", "--listen")
    assert {account.base_url for account in settings.accounts} == {f"http://{listening}"}
    sources = [source.url for group in settings.task_groups for source in group.http_sd_configs]
    assert all(url.startswith(f"http://{listening}/sim/sd?") for url in sources)


def test_their_password_comes_by_a_file_and_leaves_none_that_others_may_read(tmp_path: Path) -> None:
    assert COMPOSE["secrets"] == {"postgres_password": {"file": "./secrets/postgres_password"}}
    assert "/secrets/" in (PROJECT / ".gitignore").read_text().splitlines(), "it is never committed"
    assert SERVICES["postgres"]["environment"]["POSTGRES_PASSWORD_FILE"] == "/run/secrets/postgres_password"
    [script] = SERVICES["passfile"]["command"]
    (tmp_path / "password").write_text("0a1b2c\n")
    here = script.replace("$$", "$").replace("/run/secrets/postgres_password", str(tmp_path / "password"))
    subprocess.run(
        [*SERVICES["passfile"]["entrypoint"], here.replace("/data/passfile", str(tmp_path / "passfile"))], check=True
    )
    url = urlsplit(yaml.safe_load((PROJECT / "config/compose/replicas.yml").read_text())["ledger"]["url"])
    assert (tmp_path / "passfile").read_text() == f"{url.hostname}:5432:*:{url.username}:0a1b2c\n"
    assert (tmp_path / "passfile").stat().st_mode & 0o077 == 0
    assert url.query == "passfile=/run/postgresql/passfile"
    assert ("passfile", "/data", "rw") in mounts(SERVICES["passfile"])
    for name in REPLICAS:
        assert ("passfile", "/run/postgresql", "ro") in mounts(SERVICES[name])
