"""The pages for operators say what is there: files, headings, commands, metrics, snippets that the real tools take."""

import re
import shlex
import shutil
import subprocess
import sys
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import click
import pytest
import yaml

from exporter.cli.exits import ExitCode
from exporter.cli.main import COMMANDS
from exporter.cli.serve import ServerDied
from exporter.metrics.catalogue import FAMILIES
from exporter.metrics.exposition import standard_collectors
from exporter.metrics.family import Histogram, Scope
from exporter.service.estimate import estimate
from exporter.settings.load import load
from tests.e2e.scripted import until
from tests.rules.recorded import vocabulary
from tests.support.api_rig import CONFIG, api_rig
from tests.support.monitoring import Prometheus
from tests.support.ports import free_port
from tests.support.processes import PROJECT
from tests.support.promql import check
from tests.support.tools import need_tool

DOCS = PROJECT / "docs"
PAGES = sorted([*DOCS.glob("*.md"), PROJECT / "README.md", PROJECT / "CHANGELOG.md"])
"""The runbooks have tests of their own."""

each_page = pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)


def prose(page: Path) -> str:
    """A page without its blocks of code."""
    return re.sub(r"```.*?```", "", page.read_text(), flags=re.DOTALL)


def blocks(language: str, *pages: Path) -> Iterator[tuple[str, str]]:
    """The blocks of code in a language, each with the name of its page."""
    for page in pages or PAGES:
        for text in re.findall(rf"^ *```{language}\n(.*?)^ *```", page.read_text(), re.DOTALL | re.MULTILINE):
            yield page.name, text


# ---- links -----------------------------------------------------------------------------------------------------------


def anchors(page: Path) -> set[str]:
    """What its headings are called in links, as GitHub makes it."""
    headings = re.findall(r"^#+ (.+)$", prose(page), re.MULTILINE)
    plain = (re.sub(r"[^\w\- ]", "", re.sub(r"\[([^\]]+)\]\([^)]*\)", r"\1", heading)) for heading in headings)
    return {heading.strip().lower().replace(" ", "-") for heading in plain}


@each_page
def test_links_lead_somewhere(page: Path) -> None:
    for link in re.findall(r"\]\(([^)\s]+)\)", prose(page)):
        if link.startswith(("http://", "https://")):
            continue
        path, _, anchor = link.partition("#")
        target = (page.parent / path).resolve() if path else page
        assert target.exists(), link
        assert not anchor or anchor in anchors(target), link


def test_a_dead_link_would_be_found() -> None:
    assert "kubernetes" in anchors(DOCS / "deployment.md")
    assert "api_config" in anchors(DOCS / "discovery.md"), "code in a heading is part of its name"
    assert "nowhere" not in anchors(DOCS / "deployment.md")


@pytest.mark.parametrize("page", sorted(DOCS.glob("*.md")), ids=lambda page: page.name)
def test_every_page_is_linked_from_another(page: Path) -> None:
    others = [other.read_text() for other in PAGES if other != page]
    assert any(f"{page.name})" in text or f"{page.name}#" in text for text in others)


# ---- commands --------------------------------------------------------------------------------------------------------


def command_lines(page: Path) -> list[list[str]]:
    """The words of each command line of this program, in blocks and in the text."""
    text = page.read_text().replace("\\\n", " ")
    in_blocks = re.findall(r"^ *(?:\$ )?(?:\S*/)?bytespike-exporter( [^\n#|&>]*)", text, re.MULTILINE)
    in_text = re.findall(r"`(?:\S*/)?bytespike-exporter( [^`]*)`", text)
    return [shlex.split(line) for line in [*in_blocks, *in_text]]


@each_page
def test_commands_and_their_options_exist(page: Path) -> None:
    for words in command_lines(page):
        name = words[0] if words and not words[0].startswith("-") else "serve"
        assert name in COMMANDS, words
        command = COMMANDS[name].load()
        if isinstance(command, click.Group):
            within = command.resolve_command(click.Context(command), words[1:])[1]
            assert within is not None, words
            command = within
        known = {option for parameter in command.params for option in parameter.opts} | {"--help", "--version"}
        used = {word.partition("=")[0] for word in words if word.startswith("--")}
        assert used <= known, words


def test_a_command_is_found() -> None:
    found = command_lines(DOCS / "troubleshooting.md")
    assert ["check-config", "exporter.yml", "--estimate"] in found
    assert any(words[0] == "query" for words in found)


@each_page
def test_modules_that_are_to_be_run_exist(page: Path) -> None:
    for module in re.findall(r"python -m ((?:benchmarks|monitoring|dashboards|exporter)[\w.]*)", page.read_text()):
        assert find_spec(module) is not None, module


def test_each_exit_code_is_on_the_page() -> None:
    said = re.findall(r"^\| (\d+) \| ", (DOCS / "operations.md").read_text(), re.MULTILINE)
    assert {int(code) for code in said} == {*ExitCode, ServerDied.exit_code}


# ---- metrics ---------------------------------------------------------------------------------------------------------


def exported() -> set[str]:
    """Every name that a page may call a metric by: families, and their series."""
    names = {family.name for family in FAMILIES}
    for family in FAMILIES:
        if isinstance(family, Histogram):
            names |= {f"{family.name}_{part}" for part in ("bucket", "sum", "count")}
    return names | {metric.name for collector in standard_collectors() for metric in collector.collect()}


@each_page
def test_metrics_exist(page: Path) -> None:
    known = exported() | set(vocabulary().series)
    for name in re.findall(r"`(bytespike_[a-z0-9_]+)(?:\{[^`]*)?`", page.read_text()):
        assert name in known or name.endswith("_"), name


QUERIES = list(blocks("promql"))


@pytest.mark.parametrize(("page", "query"), QUERIES)
def test_a_query_parses_and_asks_only_for_what_there_is(page: str, query: str) -> None:
    check(query.strip(), vocabulary())


def test_queries_are_found_in_lists_too() -> None:
    assert [page for page, _ in QUERIES].count("troubleshooting.md") >= 4


# ---- figures ---------------------------------------------------------------------------------------------------------


def test_the_series_that_sizing_tells_are_those_of_the_estimate(tmp_path: Path) -> None:
    config = tmp_path / "exporter.yml"
    config.write_text(
        "accounts: [{name: a, api_key_env: KEY}]\n"
        "task_groups: [{name: g, model: m, static_configs: [{task_ids: [t1, t2]}]}]\n"
    )
    found = estimate(load(config))
    said = re.findall(r"is (\d+) series, .* each of the listed tasks (\d+)\.", (DOCS / "sizing.md").read_text())
    assert found.label_sets == 1
    assert said == [(str(found.aggregate_series), str(found.task_series // 2))]
    assert Scope.TASKS in {family.scope for family in FAMILIES}


def test_the_manifest_asks_for_what_sizing_says() -> None:
    rows = re.findall(
        r"^\| up to .* \| (\d+m) \| (\d+Mi) \| (\d+Mi) \|$", (DOCS / "sizing.md").read_text(), re.MULTILINE
    )
    deployment = yaml.safe_load((PROJECT / "config/kubernetes/deployment.yaml").read_text())
    [container] = deployment["spec"]["template"]["spec"]["containers"]
    cpu, memory, _ = rows[0]
    asked, limits = container["resources"]["requests"], container["resources"]["limits"]
    assert (asked["cpu"], asked["memory"], limits["memory"]) == (cpu, memory, rows[1][2])


def test_how_often_a_task_is_asked_about_follows_from_the_default_limit() -> None:
    rows = re.findall(r"^\| ([\d,]+) \| every (.+) \|$", (DOCS / "sizing.md").read_text(), re.MULTILINE)
    said = {int(tasks.replace(",", "")): _seconds(text) for tasks, text in rows}
    assert said.keys() == {1_000, 10_000, 100_000}
    for tasks, seconds in said.items():
        assert seconds == pytest.approx(tasks / 10, rel=0.03)


def _seconds(text: str) -> float:
    units = {"s": 1, "minutes": 60, "h": 3600, "min": 60}
    return sum(float(number) * units[unit] for number, unit in re.findall(r"(\d+) (\w+)", text))


def test_upgrading_names_every_migration() -> None:
    files = (PROJECT / "exporter/ledger/migrations/versions").glob("[0-9]*.py")
    said = re.findall(r"^\| (\d{4}) \| ", (DOCS / "upgrading.md").read_text(), re.MULTILINE)
    assert said == sorted(path.name[:4] for path in files)


# ---- snippets for other programs -------------------------------------------------------------------------------------


def snippet(page: str, *, having: str) -> str:
    """The one YAML block of a page that has a text."""
    [text] = [text for _, text in blocks("yaml", DOCS / page) if having in text]
    return text


def promtools() -> list[str]:
    """Each promtool there is: on the path, and where the newest servers are built."""
    found = (shutil.which("promtool"), shutil.which("promtool", path=str(PROJECT / ".venv-go/newest")))
    return [path for path in found if path is not None]


def prometheus_3(config: Path) -> Path:
    """Where the Prometheus is that knows this configuration; an older one says which key it does not know."""
    for path in promtools():
        done = subprocess.run([path, "check", "config", str(config)], capture_output=True, text=True, check=False)
        if "not found in type" not in done.stdout + done.stderr:
            assert done.returncode == 0, done.stderr
            if (server := Path(path).with_name("prometheus")).exists():  # it may be that promtool alone could be built
                return server
    pytest.skip("there is no Prometheus 3")


HISTOGRAM = """\
# TYPE bytespike_tasks_duration_seconds histogram
bytespike_tasks_duration_seconds_bucket{le="10"} 3
bytespike_tasks_duration_seconds_bucket{le="+Inf"} 4
bytespike_tasks_duration_seconds_sum 60
bytespike_tasks_duration_seconds_count 4
"""


class _Page(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        self.send_response(200)
        self.send_header("Content-Type", "text/plain; version=0.0.4")
        self.end_headers()
        self.wfile.write(HISTOGRAM.encode())

    def log_message(self, format: str, *_: object) -> None:  # noqa: A002 - the signature is the library's
        """Nothing: the test asks Prometheus."""


@pytest.fixture
def page_of_a_histogram() -> Iterator[str]:
    server = ThreadingHTTPServer(("127.0.0.1", 0), _Page)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield f"127.0.0.1:{server.server_port}"
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.mark.slow
@pytest.mark.e2e
def test_native_histograms_stand_beside_those_that_the_rules_read(tmp_path: Path, page_of_a_histogram: str) -> None:
    config = yaml.safe_load(snippet("prometheus.md", having="nhcb"))
    [job] = config["scrape_configs"]
    job["static_configs"] = [{"targets": [page_of_a_histogram]}]
    only_native = {**job, "job_name": "only-native", "always_scrape_classic_histograms": False}
    config["scrape_configs"].append(only_native)
    config["global"] = {"scrape_interval": "1s"}
    (tmp_path / "prometheus.yml").write_text(yaml.safe_dump(config))
    address = f"127.0.0.1:{free_port()}"
    command = [
        str(prometheus_3(tmp_path / "prometheus.yml")),
        f"--config.file={tmp_path}/prometheus.yml",
        f"--storage.tsdb.path={tmp_path}/data",
        f"--web.listen-address={address}",
    ]

    def jobs(query: str) -> list[str]:
        return sorted(series["metric"]["job"] for series in prometheus.instant(query))

    with Prometheus(command, url=f"http://{address}", log=tmp_path / "log") as prometheus:
        until(lambda: jobs("up == 1") == ["bytespike-exporter", "only-native"], "both scraped")
        both = ["bytespike-exporter", "only-native"]
        until(lambda: jobs("histogram_count(bytespike_tasks_duration_seconds) == 4") == both, "both converted")
        assert jobs("bytespike_tasks_duration_seconds_count == 4") == ["bytespike-exporter"]
        assert jobs('bytespike_tasks_duration_seconds_bucket{le="+Inf"} == 4') == ["bytespike-exporter"]


def test_prometheus_takes_the_cluster_s_name(tmp_path: Path) -> None:
    (tmp_path / "prometheus.yml").write_text(snippet("prometheus.md", having="external_labels"))
    command = [need_tool("promtool"), "check", "config", str(tmp_path / "prometheus.yml")]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def test_alertmanager_takes_the_route_to_nobody(tmp_path: Path) -> None:
    """In front of the shipped routes, with the receiver that it names."""
    config = yaml.safe_load((PROJECT / "config/alertmanager.yml").read_text())
    config["route"]["routes"] = yaml.safe_load(snippet("prometheus.md", having="nobody"))["routes"]
    config["receivers"].append({"name": "nobody"})
    (tmp_path / "alertmanager.yml").write_text(yaml.safe_dump(config))
    routed = [need_tool("amtool"), "config", "routes", "test", f"--config.file={tmp_path / 'alertmanager.yml'}"]
    done = subprocess.run([*routed, "alertname=ByteSpikeTaskStuck"], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout.strip()) == (0, "nobody"), done.stderr


def test_amtool_takes_the_alert_that_tests_the_pager() -> None:
    [line] = [text for _, text in blocks("console", DOCS / "troubleshooting.md") if "alert add" in text]
    used = set(re.findall(r"(--[\w.-]+)=", line))
    told = subprocess.run([need_tool("amtool"), "alert", "add", "--help"], capture_output=True, text=True, check=False)
    assert used
    assert all(option in told.stdout + told.stderr for option in used)


@pytest.mark.slow
def test_the_patch_of_one_rule_hits_it_or_fails(tmp_path: Path) -> None:
    kubectl = shutil.which("kubectl")
    if kubectl is None:
        pytest.skip("kubectl is not installed")
    for part in ("config/kubernetes", "dashboards"):
        target = tmp_path / "bytespike-exporter" / part
        shutil.copytree(PROJECT / part, target, ignore=shutil.ignore_patterns("*.py", "__pycache__"))
    rules = yaml.safe_load((PROJECT / "config/kubernetes/prometheus-rule.yaml").read_text())
    text = snippet("prometheus.md", having="PrometheusRule")
    [alert] = re.findall(r"value: (ByteSpike\w+)", text)
    [place] = [
        (group, rule)
        for group, one in enumerate(rules["spec"]["groups"])
        for rule, each in enumerate(one["rules"])
        if each.get("alert") == alert
    ]

    def built(group: int, rule: int) -> "subprocess.CompletedProcess[str]":
        own = tmp_path / "own"
        own.mkdir(exist_ok=True)
        patched = text.replace("GROUP", str(group)).replace("RULE", str(rule))
        (own / "kustomization.yaml").write_text(patched)
        return subprocess.run([kubectl, "kustomize", own], capture_output=True, text=True, check=False)

    done = built(*place)
    assert done.returncode == 0, done.stderr
    [changed] = [one for one in yaml.safe_load_all(done.stdout) if one["kind"] == "PrometheusRule"]
    assert changed["spec"]["groups"][place[0]]["rules"][place[1]]["for"] == "30m"
    assert built(place[0], 0 if place[1] else 1).returncode != 0, "another rule was hit"


def test_the_line_that_prints_the_places_of_rules_works() -> None:
    [line] = [text for _, text in blocks("console", DOCS / "prometheus.md") if "enumerate" in text]
    [code] = re.findall(r"python -c '(.*?)'", line, re.DOTALL)
    with (PROJECT / "config/kubernetes/prometheus-rule.yaml").open() as file:
        done = subprocess.run([sys.executable, "-c", code], stdin=file, capture_output=True, text=True, check=False)
    assert re.search(r"^\d+ \d+ ByteSpikeTaskStuck$", done.stdout, re.MULTILINE), done.stderr


# ---- Sloth -----------------------------------------------------------------------------------------------------------

SLOTH = PROJECT / "config/sloth/success.yml"


def test_sloth_s_queries_ask_only_for_what_there_is() -> None:
    for slo in yaml.safe_load(SLOTH.read_text())["slos"]:
        for query in slo["sli"]["events"].values():
            assert "[{{.window}}]" in query
            check(query.replace("{{.window}}", "5m"), vocabulary())


def test_sloth_makes_rules_of_it_that_prometheus_takes(tmp_path: Path) -> None:
    sloth = shutil.which("sloth")
    if sloth is None:
        pytest.skip("sloth is not installed")
    rules = tmp_path / "rules.yml"
    made = subprocess.run([sloth, "generate", "-i", SLOTH, "-o", rules], capture_output=True, text=True, check=False)
    assert made.returncode == 0, made.stderr
    done = subprocess.run([need_tool("promtool"), "check", "rules", rules], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    groups: list[dict[str, Any]] = yaml.safe_load(rules.read_text())["groups"]
    severities = {rule["labels"].get("severity") for group in groups for rule in group["rules"] if "alert" in rule}
    assert severities == {"critical", "warning"}


def test_sloth_s_objective_is_the_rules_own() -> None:
    from monitoring.thresholds import OBJECTIVE

    [slo] = yaml.safe_load(SLOTH.read_text())["slos"]
    assert slo["objective"] == pytest.approx(100 * OBJECTIVE)


# ---- who may do what -------------------------------------------------------------------------------------------------


async def test_the_table_of_who_may_do_what_has_every_path_and_is_true(tmp_path: Path) -> None:
    """Each path is asked by everybody that the page tells apart; who is let in gets anything but 401 and 403."""
    rows = re.findall(r"^\| (`/.*?) \| (.*?) \|$", (DOCS / "security.md").read_text(), re.MULTILINE)
    table = {path: who for paths, who in rows for path in re.findall(r"`(.*?)`", paths)}
    (tmp_path / "token").write_text("the-token-of-the-exporter")
    for config in (CONFIG, CONFIG + "api: {token_file: token}\n"):
        has_token = config != CONFIG
        async with api_rig(tmp_path, config) as rig, rig.client_from("10.0.0.7") as stranger:
            routes = {re.sub(":path", "", route.path): max(route.methods) for route in rig.app.routes}
            assert set(table) == set(routes)
            bearer = {"Authorization": "Bearer the-token-of-the-exporter"}
            for path, method in routes.items():
                everybody = not table[path].startswith("administrators")
                asked = re.sub("{.*?}", "x", path)
                expected = {
                    "stranger": everybody and not (has_token and "token_file" in table[path]),
                    "here": (everybody or not has_token) and not (has_token and "token_file" in table[path]),
                    "token": everybody or has_token,
                }
                found = {
                    "stranger": await stranger.request(method, asked),
                    "here": await rig.client.request(method, asked),
                    "token": await stranger.request(method, asked, headers=bearer),
                }
                let_in = {name: answer.status_code not in (401, 403) for name, answer in found.items()}
                assert let_in == expected, (path, config)
