"""The examples of the exporter beside an application: they keep their schemas, and one part finds the other."""

import subprocess
import sys
from pathlib import Path
from typing import Any

import kubernetes_validate  # type: ignore[import-untyped] # it has no types
import pytest
import yaml

from exporter.settings.load import load
from monitoring.thresholds import JOB
from tests.support.tools import need_tool

PROJECT = Path(__file__).parents[2]
KUBERNETES = PROJECT / "config/kubernetes/sidecar"
COMPOSE = PROJECT / "config/compose/sidecar"
VERSION = "1.31"

OBJECTS: dict[str, dict[str, Any]] = {
    path.stem: yaml.safe_load(path.read_text())
    for path in sorted(KUBERNETES.glob("*.yaml"))
    if path.stem != "kustomization"
}
KUSTOMIZATION: dict[str, Any] = yaml.safe_load((KUBERNETES / "kustomization.yaml").read_text())
POD: dict[str, Any] = OBJECTS["stateful-set"]["spec"]["template"]["spec"]
SERVICES: dict[str, dict[str, Any]] = yaml.safe_load((COMPOSE / "compose.yaml").read_text())["services"]


def exporter() -> dict[str, Any]:
    [sidecar] = POD["initContainers"]
    return dict(sidecar)


def application() -> dict[str, Any]:
    [only] = POD["containers"]
    return dict(only)


class TestKubernetes:
    def test_every_file_is_part_of_it(self) -> None:
        assert {name.removesuffix(".yaml") for name in KUSTOMIZATION["resources"]} == set(OBJECTS)

    @pytest.mark.parametrize("name", sorted(set(OBJECTS) - {"pod-monitor"}))
    def test_an_object_keeps_the_strict_schema(self, name: str) -> None:
        kubernetes_validate.validate(OBJECTS[name], VERSION, strict=True)

    def test_it_is_there_before_the_application_and_after_it(self) -> None:
        assert exporter()["restartPolicy"] == "Always"
        assert exporter()["startupProbe"]["httpGet"] == {"path": "/-/healthy", "port": "metrics"}
        assert "readinessProbe" not in exporter()

    def test_the_application_asks_the_sidecar_with_the_key_that_it_knows(self) -> None:
        settings = load(KUBERNETES / "exporter.yml")
        assert settings.proxy is not None
        env = {variable["name"]: variable for variable in application()["env"]}
        assert env["BYTESPIKE_BASE_URL"]["value"] == f"http://{settings.proxy.listen_address}"
        secret = env["BYTESPIKE_API_KEY"]["valueFrom"]["secretKeyRef"]
        volumes = {volume["name"]: volume for volume in POD["volumes"]}
        mounted = {mount["name"]: mount["mountPath"] for mount in exporter()["volumeMounts"]}
        assert volumes["api-key"]["secret"]["secretName"] == secret["name"]
        [account] = settings.accounts
        assert str(account.api_key_file) == f"{mounted['api-key']}/{secret['key']}"
        assert settings.ledger.url == f"sqlite:///{mounted['ledger']}/ledger.db"
        assert [group.proxy_config is not None for group in settings.task_groups] == [True]

    def test_a_new_pod_has_the_ledger_of_the_one_before(self) -> None:
        [claim] = OBJECTS["stateful-set"]["spec"]["volumeClaimTemplates"]
        names = {volume["name"] for volume in POD["volumes"]} | {claim["metadata"]["name"]}
        assert {mount["name"] for mount in exporter()["volumeMounts"]} == names

    def test_it_can_do_no_more_than_it_must(self) -> None:
        context = exporter()["securityContext"]
        assert (context["runAsNonRoot"], context["readOnlyRootFilesystem"]) == (True, True)
        assert context["capabilities"] == {"drop": ["ALL"]}
        assert POD["securityContext"]["fsGroup"] == context["runAsGroup"], "the volume is to be written to"

    def test_it_is_scraped_as_the_alerts_know_it(self) -> None:
        [endpoint] = OBJECTS["pod-monitor"]["spec"]["podMetricsEndpoints"]
        assert {"targetLabel": "job", "replacement": JOB} in endpoint["relabelings"]
        assert endpoint["port"] in [port["name"] for port in exporter()["ports"]]

    def test_kustomize_builds_it(self) -> None:
        kubectl = need_tool("kubectl")
        done = subprocess.run([kubectl, "kustomize", KUBERNETES], capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr
        kinds = sorted(each["kind"] for each in yaml.safe_load_all(done.stdout))
        assert kinds == ["ConfigMap", "PodMonitor", "Service", "StatefulSet"]


class TestCompose:
    def test_it_keeps_the_schema(self) -> None:
        program = Path(sys.executable).with_name("check-jsonschema")
        schema = ("--builtin-schema", "vendor.compose-spec")
        done = subprocess.run([program, *schema, COMPOSE / "compose.yaml"], capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stdout

    def test_the_application_asks_the_sidecar_on_their_common_loopback(self) -> None:
        settings = load(COMPOSE / "exporter.yml")
        assert settings.proxy is not None
        mine = SERVICES["my-app"]
        assert mine["network_mode"] == "service:exporter"
        assert mine["environment"]["BYTESPIKE_BASE_URL"] == f"http://{settings.proxy.listen_address}"
        assert mine["depends_on"]["exporter"]["condition"] == "service_healthy"
        assert settings.proxy.listen_address.startswith("127.0.0.1:")
        mounted = [volume.split(":")[1] for volume in SERVICES["exporter"]["volumes"]]
        [account] = settings.accounts
        assert str(account.api_key_file) in mounted
