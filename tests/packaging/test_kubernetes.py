"""The manifests: kinds of Kubernetes by its own schemas, those of the Prometheus Operator by what matters here."""

import json
import re
import shutil
import subprocess
from ipaddress import ip_address, ip_network
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
import yaml

from exporter.settings.load import load
from monitoring import alerting, recording
from monitoring.document import tree
from monitoring.kubernetes import manifest
from monitoring.thresholds import JOB
from tests.support.tools import need_tool

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
API = FOLDER / "api"
COMPONENT: dict[str, Any] = yaml.safe_load((API / "kustomization.yaml").read_text())
API_OBJECTS: dict[str, dict[str, Any]] = {
    path.stem: yaml.safe_load(path.read_text()) for path in sorted(API.glob("*.yaml")) if path.stem != "kustomization"
}
OWN = {"service-monitor", "prometheus-rule"}
"""What the Prometheus Operator defines, and no schema of Kubernetes knows."""

LABELS = {"app.kubernetes.io/name": "bytespike-exporter"}


def validate(resource: dict[str, Any]) -> None:
    """Hold it against Kubernetes' own schema; what is wrong with it is an AssertionError."""
    # to import it takes three seconds of work, for which no process that only collects this file has to wait
    import kubernetes_validate  # type: ignore[import-untyped] # it has no types

    try:
        kubernetes_validate.validate(resource, VERSION, strict=True)
    except kubernetes_validate.ValidationError as error:
        raise AssertionError(str(error)) from error


def test_every_file_is_part_of_it() -> None:
    listed = {name.removesuffix(".yaml") for name in KUSTOMIZATION["resources"] if name.endswith(".yaml")}
    assert listed == set(OBJECTS)


@pytest.mark.parametrize("name", sorted(set(OBJECTS) - OWN))
def test_an_object_keeps_the_strict_schema(name: str) -> None:
    validate(OBJECTS[name])


@pytest.mark.parametrize("name", sorted(set(API_OBJECTS) - {"deployment"}))
def test_an_object_of_the_component_keeps_the_strict_schema(name: str) -> None:
    validate(API_OBJECTS[name])


def test_a_misspelt_key_would_be_found() -> None:
    broken = {**OBJECTS["service"], "spec": {**OBJECTS["service"]["spec"], "port": []}}
    with pytest.raises(AssertionError, match="port"):
        validate(broken)


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


def test_the_ledger_is_on_a_volume_of_one_node() -> None:
    """SQLite needs the locks of a real disk, and ReadWriteMany is what network file systems are for."""
    [mode] = OBJECTS["persistent-volume-claim"]["spec"]["accessModes"]
    assert mode in ("ReadWriteOnce", "ReadWriteOncePod")


def test_a_ledger_may_take_as_long_to_migrate_as_under_systemd() -> None:
    unit = (PROJECT / "config/systemd/bytespike-exporter.service").read_text()
    [minutes] = re.findall(r"^TimeoutStartSec=(\d+)min$", unit, re.MULTILINE)
    probe = container()["startupProbe"]
    assert probe["periodSeconds"] * probe["failureThreshold"] == 60 * int(minutes)


# ---- Prometheus ------------------------------------------------------------------------------------------------------


def discovered(pods: list[dict[str, str]], directory: Path) -> list[dict[str, str]]:
    """The labels of these pods as targets: relabelled by the real Prometheus, first as the operator does, then as we.

    Each pod is its ``service`` (and namespace), ``pod`` and ``address``; the operator's own part is what it generates
    for every ServiceMonitor.
    """
    targets = [
        {
            "targets": [pod["address"]],
            "labels": {
                "__meta_kubernetes_namespace": pod.get("namespace", "monitoring"),
                "__meta_kubernetes_service_name": pod["service"],
                "__meta_kubernetes_service_label_app_kubernetes_io_name": JOB,
                "__meta_kubernetes_pod_name": pod["pod"],
                "__meta_kubernetes_pod_container_name": "exporter",
            },
        }
        for pod in pods
    ]
    (directory / "targets.json").write_text(json.dumps(targets))
    spec = OBJECTS["service-monitor"]["spec"]
    [endpoint] = spec["endpoints"]
    job_label = re.sub(r"\W", "_", spec["jobLabel"])
    operator = [
        {"source_labels": ["__meta_kubernetes_namespace"], "target_label": "namespace"},
        {"source_labels": ["__meta_kubernetes_service_name"], "target_label": "service"},
        {"source_labels": ["__meta_kubernetes_pod_name"], "target_label": "pod"},
        {"source_labels": ["__meta_kubernetes_pod_container_name"], "target_label": "container"},
        {"source_labels": ["__meta_kubernetes_service_name"], "target_label": "job"},
        {
            "source_labels": [f"__meta_kubernetes_service_label_{job_label}"],
            "target_label": "job",
            "regex": "(.+)",
        },
        {"target_label": "endpoint", "replacement": endpoint["port"]},
    ]
    ours = [{_snake(key): value for key, value in relabeling.items()} for relabeling in endpoint["relabelings"]]
    job: dict[str, Any] = {
        "job_name": "serviceMonitor/monitoring/bytespike-exporter/0",
        "file_sd_configs": [{"files": [str(directory / "targets.json")]}],
        "relabel_configs": [*operator, *ours],
    }
    config = directory / "prometheus.yml"
    config.write_text(yaml.safe_dump({"scrape_configs": [job]}))
    promtool = need_tool("promtool")
    done = subprocess.run(
        [promtool, "check", "service-discovery", "--timeout=3s", str(config), job["job_name"]],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    found = [target["labels"] for target in json.loads(done.stdout[done.stdout.index("[") :])]
    return [{name: value for name, value in labels.items() if not name.startswith("__")} for labels in found]


@pytest.mark.slow
def test_a_new_pod_continues_the_series_of_the_one_before(tmp_path: Path) -> None:
    [before] = discovered([{"service": JOB, "pod": "bytespike-exporter-abc", "address": "10.0.0.1:9877"}], tmp_path)
    [after] = discovered([{"service": JOB, "pod": "bytespike-exporter-xyz", "address": "10.0.9.9:9877"}], tmp_path)
    assert before == after == {"job": JOB, "instance": f"monitoring/{JOB}", "namespace": "monitoring", "service": JOB}


@pytest.mark.slow
@pytest.mark.parametrize("second", [{"service": JOB, "namespace": "eu"}, {"service": "exporter-of-eu"}])
def test_two_exporters_are_two_instances_of_one_job(second: dict[str, str], tmp_path: Path) -> None:
    """Otherwise the alerts, which know them by their job, would see one of them alone."""
    first = {"service": JOB, "pod": "a", "address": "10.0.0.1:9877"}
    targets = discovered([first, {"pod": "b", "address": "10.0.0.2:9877", **second}], tmp_path)
    assert [target["job"] for target in targets] == [JOB, JOB]
    assert len({target["instance"] for target in targets}) == 2


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


def kustomize(folder: Path) -> list[dict[str, Any]]:
    """What ``kubectl apply -k`` would apply, each object held against its schema."""
    kubectl = shutil.which("kubectl")
    if kubectl is None:
        pytest.skip("kubectl is not installed")
    done = subprocess.run([kubectl, "kustomize", folder], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    built = list(yaml.safe_load_all(done.stdout))
    for one in built:
        assert len(json.dumps(one)) < ANNOTATION_BYTES, one["metadata"]["name"]
        if one["apiVersion"] != "monitoring.coreos.com/v1":
            validate(one)
    return built


def of_kind(kind: str, built: list[dict[str, Any]]) -> list[dict[str, Any]]:
    return [one for one in built if one["kind"] == kind]


def copied(directory: Path) -> Path:
    """The manifests, and what they refer to, to be changed."""
    for part in ("config/kubernetes", "dashboards"):
        shutil.copytree(PROJECT / part, directory / part, ignore=shutil.ignore_patterns("*.py", "__pycache__"))
    return directory / "config/kubernetes"


def mounted_configuration(built: list[dict[str, Any]]) -> str:
    """The exporter.yml that the built pod is given: found by the name with the hash of its content."""
    [deployment] = of_kind("Deployment", built)
    [name] = [volume["configMap"]["name"] for volume in _pod(deployment)["volumes"] if "configMap" in volume]
    [text] = [one["data"]["exporter.yml"] for one in of_kind("ConfigMap", built) if one["metadata"]["name"] == name]
    return str(text)


@pytest.mark.slow
def test_kustomize_builds_it() -> None:
    built = kustomize(FOLDER)
    maps = [*DASHBOARDS["configMapGenerator"], *KUSTOMIZATION["configMapGenerator"]]
    kinds = sorted(one["kind"] for one in built)
    assert kinds == sorted([*(one["kind"] for one in OBJECTS.values()), *("ConfigMap" for _ in maps)])
    assert {one["metadata"]["namespace"] for one in built} == {KUSTOMIZATION["namespace"]}
    assert mounted_configuration(built) == (FOLDER / "exporter.yml").read_text()


# ---- the component for registrations and callbacks -------------------------------------------------------------------


def test_every_file_of_the_component_is_part_of_it() -> None:
    listed = [*COMPONENT["resources"], *(patch["path"] for patch in COMPONENT["patches"])]
    assert {name.removesuffix(".yaml") for name in listed} == set(API_OBJECTS)


@pytest.mark.slow
def test_it_is_switched_on_by_taking_a_mark_away(tmp_path: Path) -> None:
    folder = copied(tmp_path)
    switch = folder / "kustomization.yaml"
    assert switch.read_text().count("\n# components: [api]\n") == 1
    switch.write_text(switch.read_text().replace("\n# components", "\ncomponents"))
    built = kustomize(folder)
    assert mounted_configuration(built) == (API / "exporter.yml").read_text()
    assert len(of_kind("NetworkPolicy", built)) == 2
    assert len(of_kind("Ingress", built)) == 1
    [deployment] = of_kind("Deployment", built)
    mounts = {mount["name"] for mount in _pod(deployment)["containers"][0]["volumeMounts"]}
    assert mounts == {volume["name"] for volume in _pod(deployment)["volumes"]}
    assert {"api-secrets", "configuration", "api-key", "ledger", "tmp"} == mounts


def test_its_secrets_are_where_its_configuration_looks_and_the_page_says() -> None:
    settings = load(API / "exporter.yml")
    [mount] = _pod(API_OBJECTS["deployment"])["containers"][0]["volumeMounts"]
    [volume] = _pod(API_OBJECTS["deployment"])["volumes"]
    [group] = settings.task_groups
    assert group.api_config is not None
    assert group.callback_config is not None
    assert settings.api.token_file is not None
    files = [settings.api.token_file, group.callback_config.secret_file]
    assert [str(path.parent) for path in files] == [mount["mountPath"]] * 2
    made = [line for line in COMMANDS if f"secret generic {volume['secret']['secretName']}" in line]
    namespaces = [re.findall(r"-n (\S+)", line) for line in made]
    assert namespaces == [[KUSTOMIZATION["namespace"]], [_sources(API_OBJECTS["network-policy"])[0]]]
    assert all(f"--from-file={path.name}=" in line for path in files for line in made)


def test_what_the_two_configurations_share_is_the_same() -> None:
    mine, its = load(FOLDER / "exporter.yml"), load(API / "exporter.yml")
    assert (mine.accounts, mine.ledger) == (its.accounts, its.ledger)


def test_only_callbacks_come_from_outside() -> None:
    [rule] = API_OBJECTS["ingress"]["spec"]["rules"]
    [path] = rule["http"]["paths"]
    assert (path["path"], path["pathType"]) == ("/api/v1/callbacks/", "Prefix")
    service = OBJECTS["service"]
    assert path["backend"]["service"] == {
        "name": service["metadata"]["name"],
        "port": {"name": service["spec"]["ports"][0]["name"]},
    }


# ---- what the page says ----------------------------------------------------------------------------------------------

PAGE = (PROJECT / "docs/deployment.md").read_text()
COMMANDS = re.sub(r"\\\n *", "", "\n".join(re.findall(r"```console\n(.*?)```", PAGE, re.DOTALL))).splitlines()
OVERLAYS = [text for text in re.findall(r"```yaml\n(.*?)```", PAGE, re.DOTALL) if "kind: Kustomization" in text]


def overlay(mark: str, directory: Path) -> list[dict[str, Any]]:
    """What the overlay on the page with this mark builds, with a checkout beside it."""
    [text] = [text for text in OVERLAYS if mark in text]
    copied(directory / "bytespike-exporter")
    own = directory / "own"
    own.mkdir()
    (own / "kustomization.yaml").write_text(text)
    (own / "exporter.yml").write_text("# mine\n")
    return kustomize(own)


def test_a_second_exporter_brings_no_second_set_of_rules(tmp_path: Path) -> None:
    built = overlay("PrometheusRule", tmp_path)
    assert mounted_configuration(built) == "# mine\n"
    [namespace] = {one["metadata"]["namespace"] for one in built}
    assert namespace != KUSTOMIZATION["namespace"]
    kinds = {one["kind"] for one in built}
    assert kinds == {
        "ConfigMap",
        "Deployment",
        "NetworkPolicy",
        "PersistentVolumeClaim",
        "Service",
        "ServiceMonitor",
    }
    assert len(of_kind("ConfigMap", built)) == 1, "no dashboards either"


@pytest.mark.slow
def test_openshift_gives_the_user_itself(tmp_path: Path) -> None:
    built = overlay("/securityContext/runAsUser", tmp_path)
    [deployment] = of_kind("Deployment", built)
    context = _pod(deployment)["securityContext"]
    assert context["runAsNonRoot"] is True
    assert not {"runAsUser", "runAsGroup", "fsGroup"} & set(context)


# ---- network policies ------------------------------------------------------------------------------------------------


def egress_allowed(port: int, protocol: str = "TCP", **to: str) -> bool:
    """Whether the exporter may send there: a pod's ``namespace`` and labels, or an ``ip`` outside any pod."""
    rules = OBJECTS["network-policy"]["spec"]["egress"]
    return any(
        {"port": port, "protocol": protocol} in rule["ports"]
        and any(_is_peer(peer, to) for peer in rule.get("to", [{}]))
        for rule in rules
    )


def _is_peer(peer: dict[str, Any], to: dict[str, str]) -> bool:
    if "ipBlock" in peer:
        block, address = peer["ipBlock"], ip_address(to["ip"]) if "ip" in to else None
        return (
            address is not None
            and address in ip_network(block["cidr"])
            and not any(address in ip_network(each) for each in block.get("except", []))
        )
    if not peer:
        return True
    namespace = peer["namespaceSelector"].get("matchLabels", {}).get("kubernetes.io/metadata.name")
    wanted = peer.get("podSelector", {}).get("matchExpressions", [])
    return (
        "namespace" in to
        and namespace in (None, to["namespace"])
        and all(to.get("k8s_app") in expression["values"] for expression in wanted)
    )


@pytest.mark.parametrize("protocol", ["UDP", "TCP"])
def test_it_may_look_up_names_wherever_the_name_server_is(protocol: str) -> None:
    assert egress_allowed(53, protocol, namespace="kube-system", k8s_app="kube-dns")
    assert egress_allowed(53, protocol, namespace="kube-system", k8s_app="node-local-dns")
    assert egress_allowed(53, protocol, ip="169.254.20.10"), "NodeLocal DNSCache in the node's network"
    assert egress_allowed(5353, protocol, namespace="openshift-dns")
    assert not egress_allowed(53, protocol, namespace="anywhere")
    assert not egress_allowed(53, protocol, ip="8.8.8.8")


@pytest.mark.parametrize(
    "address",
    [
        "169.254.169.254",  # AWS, Azure, Google, OpenStack
        "169.254.170.2",  # the credentials of an ECS task
        "169.254.20.10",
        "100.100.100.200",  # Alibaba
        "168.63.129.16",  # Azure's wire server
        "fe80::a9fe:a9fe",
        "fd00:ec2::254",  # AWS over IPv6
        "fd20:ce::254",  # Google over IPv6
    ],
)
def test_it_never_reaches_what_hands_out_the_nodes_credentials(address: str) -> None:
    assert not egress_allowed(443, ip=address)
    assert not egress_allowed(80, ip=address)


def test_an_api_may_have_an_address_of_either_kind() -> None:
    assert egress_allowed(443, ip="2001:db8::1")
    assert egress_allowed(443, ip="10.1.2.3"), "a gateway of your own"


def test_its_disk_is_bounded_and_there_is_a_place_for_what_is_temporary() -> None:
    """The root file system is read-only, and a pod without a limit is evicted first when its node's disk is full."""
    resources = container()["resources"]
    assert set(resources["requests"]) == {"cpu", "memory", "ephemeral-storage"}
    assert set(resources["limits"]) == {"memory", "ephemeral-storage"}
    volumes = OBJECTS["deployment"]["spec"]["template"]["spec"]["volumes"]
    [temporary] = [volume["emptyDir"] for volume in volumes if "emptyDir" in volume]
    assert temporary["sizeLimit"]
    assert {"name": "tmp", "mountPath": "/tmp"} in container()["volumeMounts"]


def test_it_may_ask_the_api_and_the_pods_of_the_application_that_its_configuration_names() -> None:
    assert egress_allowed(443, ip="203.0.113.1")
    [group] = load(FOLDER / "exporter.yml").task_groups
    [source] = group.http_sd_configs
    _service, namespace, kind = (urlsplit(source.url).hostname or "").split(".")
    assert kind == "svc"
    assert egress_allowed(8080, namespace=namespace)
    assert not egress_allowed(8080, namespace="elsewhere")
    assert not egress_allowed(80, namespace=namespace), "it is a Service's port, which no policy ever sees"


def test_the_application_and_callbacks_may_come_in_by_the_component_alone() -> None:
    assert _sources(OBJECTS["network-policy"]) == ["monitoring"]
    assert _sources(API_OBJECTS["network-policy"]) == ["my-namespace", "ingress-nginx"]
    assert API_OBJECTS["network-policy"]["spec"]["policyTypes"] == ["Ingress"], "policies add up"
    assert API_OBJECTS["network-policy"]["spec"]["podSelector"]["matchLabels"] == LABELS


def _sources(policy: dict[str, Any]) -> list[str]:
    [rule] = policy["spec"]["ingress"]
    [port] = container()["ports"]
    assert rule["ports"] == [{"port": port["name"], "protocol": "TCP"}]
    return [peer["namespaceSelector"]["matchLabels"]["kubernetes.io/metadata.name"] for peer in rule["from"]]


def _pod(deployment: dict[str, Any]) -> dict[str, Any]:
    return dict(deployment["spec"]["template"]["spec"])


def _snake(key: str) -> str:
    return "".join(f"_{letter.lower()}" if letter.isupper() else letter for letter in key)
