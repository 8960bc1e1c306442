"""The manifests: kinds of Kubernetes by its own schemas, those of the Prometheus Operator by what matters here."""

import json
import shutil
import subprocess
from pathlib import Path
from typing import Any

import kubernetes_validate  # type: ignore[import-untyped] # it has no types
import pytest
import yaml

from exporter.settings.load import load
from monitoring import alerting, recording
from monitoring.document import tree
from monitoring.kubernetes import manifest
from monitoring.thresholds import JOB

PROJECT = Path(__file__).parents[2]
FOLDER = PROJECT / "config/kubernetes"
VERSION = "1.31"

ANNOTATION_BYTES = 256 * 1024
"""kubectl apply writes the whole object into an annotation, and no annotation may be longer."""

KUSTOMIZATION: dict[str, Any] = yaml.safe_load((FOLDER / "kustomization.yaml").read_text())
OBJECTS: dict[str, dict[str, Any]] = {
    path.stem: yaml.safe_load(path.read_text())
    for path in sorted(FOLDER.glob("*.yaml"))
    if path.stem != "kustomization"
}
OWN = {"service-monitor", "prometheus-rule"}
"""What the Prometheus Operator defines, and no schema of Kubernetes knows."""

LABELS = {"app.kubernetes.io/name": "bytespike-exporter"}


def test_every_file_is_part_of_it() -> None:
    listed = {name.removesuffix(".yaml") for name in KUSTOMIZATION["resources"] if name.endswith(".yaml")}
    assert listed == set(OBJECTS)


@pytest.mark.parametrize("name", sorted(set(OBJECTS) - OWN))
def test_an_object_keeps_the_strict_schema(name: str) -> None:
    kubernetes_validate.validate(OBJECTS[name], VERSION, strict=True)


def test_a_misspelt_key_would_be_found() -> None:
    broken = {**OBJECTS["service"], "spec": {**OBJECTS["service"]["spec"], "port": []}}
    with pytest.raises(kubernetes_validate.ValidationError):
        kubernetes_validate.validate(broken, VERSION, strict=True)


def container() -> dict[str, Any]:
    [only] = OBJECTS["deployment"]["spec"]["template"]["spec"]["containers"]
    return dict(only)


def test_the_pod_can_do_no_more_than_it_must() -> None:
    pod = OBJECTS["deployment"]["spec"]["template"]["spec"]
    assert pod["automountServiceAccountToken"] is False
    assert pod["securityContext"]["runAsNonRoot"] is True
    assert pod["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
    context = container()["securityContext"]
    assert context["readOnlyRootFilesystem"] is True
    assert context["allowPrivilegeEscalation"] is False
    assert context["capabilities"] == {"drop": ["ALL"]}
    assert "memory" in container()["resources"]["limits"]


def test_it_runs_as_the_image_does() -> None:
    dockerfile = (PROJECT / "Dockerfile").read_text()
    context = OBJECTS["deployment"]["spec"]["template"]["spec"]["securityContext"]
    assert f"USER {context['runAsUser']}:{context['runAsGroup']}\n" in dockerfile
    assert context["fsGroup"] == context["runAsGroup"], "the volume is to be written to"


def test_two_exporters_never_hold_one_ledger() -> None:
    spec = OBJECTS["deployment"]["spec"]
    assert (spec["replicas"], spec["strategy"]) == (1, {"type": "Recreate"})


@pytest.mark.parametrize(
    ("probe", "path"), [("startupProbe", "/-/healthy"), ("livenessProbe", "/-/healthy"), ("readinessProbe", "/-/ready")]
)
def test_it_is_probed(probe: str, path: str) -> None:
    assert container()[probe]["httpGet"] == {"path": path, "port": "metrics"}


def test_the_configuration_is_one_the_exporter_takes_and_where_it_looks() -> None:
    settings = load(FOLDER / "exporter.yml")
    mounted = {mount["name"]: mount["mountPath"] for mount in container()["volumeMounts"]}
    assert f"--config.file={mounted['configuration']}/exporter.yml" in container()["args"]
    assert {str(account.api_key_file) for account in settings.accounts} == {f"{mounted['api-key']}/api_key"}
    assert settings.ledger.url == f"sqlite:///{mounted['ledger']}/ledger.db"
    [generated] = KUSTOMIZATION["configMapGenerator"]
    assert generated == {"name": "bytespike-exporter", "files": ["exporter.yml"]}


def test_everything_finds_everything_else() -> None:
    template = OBJECTS["deployment"]["spec"]["template"]
    volumes = {volume["name"]: volume for volume in template["spec"]["volumes"]}
    assert {mount["name"] for mount in container()["volumeMounts"]} == set(volumes)
    assert (
        volumes["ledger"]["persistentVolumeClaim"]["claimName"]
        == OBJECTS["persistent-volume-claim"]["metadata"]["name"]
    )
    assert template["metadata"]["labels"] == LABELS
    assert OBJECTS["service"]["spec"]["selector"] == LABELS
    assert OBJECTS["network-policy"]["spec"]["podSelector"]["matchLabels"] == LABELS
    assert OBJECTS["service-monitor"]["spec"]["selector"]["matchLabels"] == LABELS
    assert LABELS in [labels["pairs"] for labels in KUSTOMIZATION["labels"]], "the service itself must have them"


def test_the_alerts_know_the_job() -> None:
    """The operator names it after the service."""
    assert OBJECTS["service"]["metadata"]["name"] == JOB
    assert "jobLabel" not in OBJECTS["service-monitor"]["spec"]


def test_it_is_scraped_as_the_shipped_prometheus_does() -> None:
    config = yaml.safe_load((PROJECT / "config/prometheus/prometheus.yml").read_text())
    spec = OBJECTS["service-monitor"]["spec"]
    [endpoint] = spec["endpoints"]
    assert endpoint["interval"] == config["global"]["scrape_interval"]
    assert endpoint["scrapeTimeout"] == config["global"]["scrape_timeout"]
    [job] = [job for job in config["scrape_configs"] if job["job_name"] == JOB]
    limits = {key: value for key, value in job.items() if key.endswith("limit")}
    assert {_snake(key): value for key, value in spec.items() if key.endswith("Limit")} == limits
    [port] = OBJECTS["service"]["spec"]["ports"]
    assert endpoint["port"] == port["name"]


def test_labels_that_change_with_each_pod_are_dropped() -> None:
    [endpoint] = OBJECTS["service-monitor"]["spec"]["endpoints"]
    assert endpoint["relabelings"] == [{"action": "labeldrop", "regex": "pod|container|endpoint"}]


def test_the_rules_are_the_shipped_ones() -> None:
    assert (FOLDER / "prometheus-rule.yaml").read_text() == manifest(), "run: make docs"
    assert OBJECTS["prometheus-rule"]["spec"] == tree((*recording.groups(), *alerting.groups()))


DASHBOARDS: dict[str, Any] = yaml.safe_load((PROJECT / "dashboards/kustomization.yaml").read_text())


def test_every_dashboard_has_a_config_map() -> None:
    paths = sorted((PROJECT / "dashboards").glob("*.json"))
    assert DASHBOARDS["configMapGenerator"] == [
        {"name": f"bytespike-dashboard-{path.stem.replace('_', '-')}", "files": [path.name]} for path in paths
    ]
    assert DASHBOARDS["namespace"] == KUSTOMIZATION["namespace"]


def test_kustomize_builds_it() -> None:
    kubectl = shutil.which("kubectl")
    if kubectl is None:
        pytest.skip("kubectl is not installed")
    done = subprocess.run([kubectl, "kustomize", FOLDER], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    built = list(yaml.safe_load_all(done.stdout))
    kinds = sorted(one["kind"] for one in built)
    maps = [*DASHBOARDS["configMapGenerator"], *KUSTOMIZATION["configMapGenerator"]]
    assert kinds == sorted([*(one["kind"] for one in OBJECTS.values()), *("ConfigMap" for _ in maps)])
    assert {one["metadata"]["namespace"] for one in built} == {KUSTOMIZATION["namespace"]}
    for one in built:
        assert len(json.dumps(one)) < ANNOTATION_BYTES, one["metadata"]["name"]
        if one["apiVersion"] != "monitoring.coreos.com/v1":
            kubernetes_validate.validate(one, VERSION, strict=True)
    [deployment] = [one for one in built if one["kind"] == "Deployment"]
    [configuration] = [volume for volume in deployment["spec"]["template"]["spec"]["volumes"] if "configMap" in volume]
    names = {one["metadata"]["name"] for one in built if one["kind"] == "ConfigMap"}
    assert configuration["configMap"]["name"] in names, "with the hash that makes a new configuration a new pod"


def _snake(key: str) -> str:
    return "".join(f"_{letter.lower()}" if letter.isupper() else letter for letter in key)
