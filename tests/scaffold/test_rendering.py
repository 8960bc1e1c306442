"""Every combination of choices passes the checks of whoever reads the files."""

import json
import re
import subprocess
import sys
from itertools import product
from pathlib import Path
from typing import Any

import kubernetes_validate  # type: ignore[import-untyped] # it has no types
import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from exporter.scaffold.choices import SIDECAR, Choices, Deploy, Way
from exporter.scaffold.rendering import CONFIG, File, literal, rendered, scalar
from exporter.settings.load import load, parse
from tests.support.processes import PROJECT
from tests.support.tools import need_tool

EVERY = [
    Choices(way=way, deploy=deploy, api_key_file=file, model=model)
    for way, deploy, (file, model) in product(Way, Deploy, [(None, None), ("keys/$the key", "sora-2-pro")])
]
every = pytest.mark.parametrize("choices", EVERY, ids=lambda choices: f"{choices.way}-{choices.deploy}-{choices.model}")
COMPOSED = [choices for choices in EVERY if choices.deploy is Deploy.COMPOSE]
DEPLOYED = [choices for choices in EVERY if choices.deploy is Deploy.KUBERNETES]


def texts(choices: Choices) -> dict[str, str]:
    return {file.path: file.text for file in rendered(choices)}


def written(choices: Choices, directory: Path) -> dict[str, Path]:
    paths = {}
    for file in rendered(choices):
        paths[file.path] = directory / file.path
        paths[file.path].parent.mkdir(exist_ok=True)
        paths[file.path].write_text(file.text)
    return paths


def checked(*command: str | Path) -> None:
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


def tool(name: str) -> Path:
    return Path(sys.executable).with_name(name)


# ---- the checks ------------------------------------------------------------------------------------------------------


@pytest.mark.slow
def test_all_files_pass_their_checks(tmp_path: Path) -> None:
    """Together, for each program takes long to start."""
    folders = [tmp_path / str(number) for number in range(len(EVERY))]
    for choices, folder in zip(EVERY, folders, strict=True):
        folder.mkdir()
        written(choices, folder)
    checked(tool("yamllint"), "--strict", "--config-file", PROJECT / ".yamllint.yml", *folders)
    schema = PROJECT / "config/exporter.schema.json"
    checked(tool("check-jsonschema"), "--schemafile", schema, *(folder / CONFIG for folder in folders))
    composed = [folder / "compose.yaml" for folder in folders if (folder / "compose.yaml").exists()]
    assert len(composed) == len(COMPOSED)
    checked(tool("check-jsonschema"), "--builtin-schema", "vendor.compose-spec", *composed)
    for target in {(folder / "prometheus.yml").read_text(): folder for folder in folders}.values():
        checked(need_tool("promtool"), "check", "config", "--lint-fatal", target / "prometheus.yml")


@every
def test_the_configuration_is_one_the_exporter_takes_and_follows_tasks_one_way(
    choices: Choices, tmp_path: Path
) -> None:
    settings = load(written(choices, tmp_path)[CONFIG])
    [group] = settings.task_groups
    ways = {
        Way.SIDECAR: group.proxy_config is not None,
        Way.FILES: bool(group.file_sd_configs),
        Way.API: group.api_config is not None,
    }
    assert [way for way, is_there in ways.items() if is_there] == [choices.way]
    assert (settings.proxy is not None) == (choices.way is Way.SIDECAR)
    assert (settings.api.token_file is not None) == choices.needs_token
    assert group.model == (choices.model or "")


@every
def test_the_scrape_job_is_the_shipped_one(choices: Choices) -> None:
    [job] = yaml.safe_load(texts(choices)["prometheus.yml"])["scrape_configs"]
    shipped = yaml.safe_load((PROJECT / "config/prometheus/prometheus.yml").read_text())
    expected = {**shipped["global"], **shipped["scrape_configs"][0]}
    assert all(expected[key] == value for key, value in job.items() if key != "static_configs")
    assert {key for key in expected if "limit" in key} <= set(job)


@every
def test_no_key_is_in_any_file(choices: Choices) -> None:
    assert not [path for path, text in texts(choices).items() if "sk-" in text]


# ---- Compose ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("choices", COMPOSED, ids=lambda choices: f"{choices.way}-{choices.model}")
def test_a_container_can_do_no_more_than_it_must_and_has_all_that_its_configuration_names(
    choices: Choices, tmp_path: Path
) -> None:
    paths = written(choices, tmp_path)
    compose: dict[str, Any] = yaml.safe_load(paths["compose.yaml"].read_text())
    for service in compose["services"].values():
        assert (service["read_only"], service["cap_drop"]) == (True, ["ALL"])
        assert int(service["user"].partition(":")[0]) > 0
        assert all(port.startswith("127.0.0.1:") for port in service["ports"])
    exporter = compose["services"]["exporter"]
    seen = {f"/run/secrets/{name}" for name in exporter.get("secrets", ())}
    seen |= {volume.split(":")[1] for volume in exporter["volumes"]}
    settings = load(paths[CONFIG])
    [account] = settings.accounts
    if choices.api_key_file is None:
        assert exporter["environment"] == {"BYTESPIKE_API_KEY": "${BYTESPIKE_API_KEY:?holds no key}"}
        assert account.api_key_env == "BYTESPIKE_API_KEY"
    else:
        assert str(account.api_key_file) in seen
        assert compose["secrets"]["api_key"] == {"file": "keys/$$the key"}, "Compose looks for no variable in it"
    if settings.api.token_file is not None:
        assert str(settings.api.token_file) in seen
    assert settings.ledger.url == "sqlite:////data/ledger.db"
    assert "/data" in seen
    assert {source.rpartition("/")[0] for group in settings.task_groups for source in _globs(group)} <= seen
    assert all((tmp_path / volume.split(":")[0]).exists() for volume in exporter["volumes"] if volume[0] == ".")


def _globs(group: Any) -> list[str]:
    return [str(file) for source in group.file_sd_configs for file in source.files]


# ---- Kubernetes ------------------------------------------------------------------------------------------------------


def objects(choices: Choices) -> dict[str, dict[str, Any]]:
    documents = list(yaml.safe_load_all(texts(choices)["kubernetes.yaml"]))
    return {f"{one['kind']}/{one['metadata']['name']}": one for one in documents}


@pytest.mark.parametrize("choices", DEPLOYED, ids=lambda choices: f"{choices.way}-{choices.model}")
def test_kubernetes_takes_it_and_everything_finds_everything_else(choices: Choices) -> None:
    found = objects(choices)
    for one in found.values():
        kubernetes_validate.validate(one, "1.31", strict=True)
    assert found["ConfigMap/bytespike-exporter"]["data"] == {CONFIG: texts(choices)[CONFIG]}
    [deployment] = [one for name, one in found.items() if name.startswith("Deployment/")]
    template = deployment["spec"]["template"]
    pod = template["spec"]
    [container] = [one for one in [*pod.get("initContainers", ()), *pod["containers"]] if one["name"] == "exporter"]
    assert container["securityContext"]["capabilities"] == {"drop": ["ALL"]}
    assert {mount["name"] for mount in container["volumeMounts"]} == {volume["name"] for volume in pod["volumes"]}
    maps = {volume["configMap"]["name"] for volume in pod["volumes"] if "configMap" in volume}
    assert {f"ConfigMap/{name}" for name in maps} == {name for name in found if name.startswith("ConfigMap/")}
    assert found["Service/bytespike-exporter"]["spec"]["selector"] == template["metadata"]["labels"]
    settings = parse(texts(choices)[CONFIG], file=CONFIG, base=Path("/etc/bytespike-exporter"))
    mounted = {mount["mountPath"] for mount in container["volumeMounts"]}
    named = [settings.accounts[0].api_key_file, settings.api.token_file]
    assert {str(path.parent) for path in named if path is not None} <= mounted
    assert {"/data", "/etc/bytespike-exporter", "/tmp"} <= mounted
    assert {glob.rpartition("/")[0] for group in settings.task_groups for glob in _globs(group)} <= mounted


def test_in_kubernetes_the_sidecar_is_one_and_the_application_knows_its_address() -> None:
    found = objects(Choices(way=Way.SIDECAR, deploy=Deploy.KUBERNETES))
    pod = found["Deployment/your-application"]["spec"]["template"]["spec"]
    [sidecar], [application] = pod["initContainers"], pod["containers"]
    assert sidecar["restartPolicy"] == "Always"
    assert "startupProbe" in sidecar, "the application starts once it listens"
    assert application["env"] == [{"name": "BYTESPIKE_BASE_URL", "value": f"http://{SIDECAR}"}]


# ---- values ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("sora-2-pro", "sora-2-pro"),
        ("https://llm.bytespike.ai", "https://llm.bytespike.ai"),
        ("/run/secrets/key", "/run/secrets/key"),
        ("null", '"null"'),
        ("yes", '"yes"'),
        ("1.5", '"1.5"'),
        ("", '""'),
        ("a: b", '"a: b"'),
        ("a #b", '"a #b"'),
        ("key:", '"key:"'),
        ('"', '"\\""'),
        ("ключ", '"ключ"'),
        ("a\nb: c", '"a\\nb: c"'),
    ],
)
def test_a_value_stays_a_value(text: str, expected: str) -> None:
    assert scalar(text) == expected
    assert yaml.safe_load(f"key: {scalar(text)}") == {"key": text}


@given(st.text(st.characters(exclude_categories=["Cs", "Cc", "Cn", "Co"], exclude_characters="\ufeff"), max_size=50))
def test_no_value_can_be_anything_else(text: str) -> None:
    assert yaml.safe_load(f"- {scalar(text)}  # comment") == [text]
    assert json.loads(json.dumps(literal(text))).replace("$$", "$") == text.replace("$$", "$")


def test_only_what_is_chosen_is_in_the_files() -> None:
    """Nothing is left of the templates themselves."""
    for choices in EVERY:
        for file in rendered(choices):
            assert isinstance(file, File)
            assert not re.search(r"\{[{%#]|[%#]\}|\bNone\b|Undefined", file.text), file.path
            assert "\n\n\n" not in file.text, file.path
            assert file.text.endswith("\n")
            assert not file.text.endswith("\n\n"), file.path
