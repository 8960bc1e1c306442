"""The chart, rendered by Helm itself: what an installation would make, and which values are refused."""

import base64
import gzip
import json
import re
import shutil
from pathlib import Path
from typing import Any

import kubernetes_validate  # type: ignore[import-untyped] # it has no types
import pytest
import yaml
from click.testing import CliRunner

from exporter.cli.main import cli
from exporter.settings.load import parse
from exporter.settings.model import Settings
from monitoring import alerting, recording
from monitoring.document import tree
from scripts.generated import GENERATED
from tests.support import helm
from tests.support.helm import CHART, Values, of_kind, pod, refusal, rendered, service
from tests.support.processes import PROJECT

pytestmark = pytest.mark.skipif(not helm.is_installed(), reason=helm.WHY_NOT)

KUSTOMIZE = PROJECT / "config/kubernetes"
SHIPPED_JOB = PROJECT / "config/prometheus/replicas.yml"
DATABASE = {"to": [{"ipBlock": {"cidr": "10.0.0.5/32"}}], "ports": [{"port": 5432, "protocol": "TCP"}]}
URL = "postgresql://bytespike@db.example/bytespike?passfile=/run/postgresql/passfile"
POSTGRESQL: dict[str, Any] = {
    "config": {"ledger": {"url": URL}},
    "secrets": {"database": {"name": "cluster-app", "key": "pgpass"}},
    "networkPolicy": {"egress": [DATABASE]},
}
REPLICAS: dict[str, Any] = {**POSTGRESQL, "replicas": 3}
SECRETS: dict[str, Any] = {
    "secrets": {"apiKeys": "keys", "api": "bytespike-exporter-api"},
    "config": {
        "task_groups": [
            {
                "name": "renders",
                "api_config": {},
                "callback_config": {"secret_file": "/run/secrets/bytespike-exporter/callback"},
            }
        ],
        "api": {"token_file": "/run/secrets/bytespike-exporter/token"},
    },
}
OPERATOR = {name: {"enabled": True} for name in ("serviceMonitor", "prometheusRule", "dashboards")}
HOSTILE_LINE = "- a'b\"c {{ .Values.image }} {{ fail `no` }} # : & * !x %d $HOME \\ \u00e9"
HOSTILE = f"{HOSTILE_LINE}\n---\n...\n\t{HOSTILE_LINE}\n\n"
EVERYTHING: dict[str, Any] = {
    **REPLICAS,
    "prometheusRule": {"enabled": True},
    "serviceMonitor": {
        "enabled": True,
        "labels": {"release": "prometheus"},
        "endpoint": {"honorLabels": False, "metricRelabelings": [{"action": "drop"}]},
    },
    "config": {**SECRETS["config"], **POSTGRESQL["config"]},
    "secrets": {**SECRETS["secrets"], **POSTGRESQL["secrets"]},
    "image": {"digest": "sha256:" + "0" * 64},
    "imagePullSecrets": [{"name": "registry"}],
    "networkPolicy": {"egress": [DATABASE], "callers": ["my-namespace", "ingress-nginx"]},
    "ingress": {
        "enabled": True,
        "className": "nginx",
        "host": "bytespike-callbacks.example.com",
        "tlsSecret": "bytespike-callbacks-tls",
        "annotations": {"example.com/log": "off"},
    },
    "service": {"annotations": {"a": "1"}},
    "serviceAccount": {"name": "mine", "annotations": {"a": "true"}},
    "fullnameOverride": "exporter-of-eu",
    "labels": {"team": "on"},
    "podLabels": {"team": "1"},
    "podAnnotations": {"a": "1"},
    "args": ["--log.level=debug"],
    "env": [{"name": "HTTPS_PROXY", "value": "http://proxy:3128"}],
    "scheme": "HTTPS",
    "extraVolumes": [{"name": "web", "secret": {"secretName": "web"}}],
    "extraVolumeMounts": [{"name": "web", "mountPath": "/run/secrets/web", "readOnly": True}],
    "priorityClassName": "high",
    "nodeSelector": {"kubernetes.io/arch": "amd64"},
    "tolerations": [{"key": "a", "operator": "Exists"}],
    "affinity": {"nodeAffinity": {}},
}
TABLE: dict[str, Values] = {
    "default": {},
    "stopped": {"replicas": 0},
    "PostgreSQL": POSTGRESQL,
    "replicas": REPLICAS,
    "secrets": SECRETS,
    "operator": OPERATOR,
    "everything": EVERYTHING,
    "own account and claim": {
        "serviceAccount": {"create": False},
        "persistence": {"existingClaim": "mine"},
        "networkPolicy": {"enabled": False},
    },
    "hostile": {
        "config": {"task_groups": [{"name": "g", "static_configs": [{"task_ids": ["t"], "model": HOSTILE_LINE}]}]},
        "podAnnotations": {"a": HOSTILE},
        "service": {"annotations": {"a": HOSTILE}},
        "env": [{"name": "A", "value": HOSTILE}],
        "args": [f"--x={HOSTILE}"],
    },
    "own labels": {
        "labels": {"app.kubernetes.io/name": "evil", "helm.sh/chart": "evil"},
        "podLabels": {"app.kubernetes.io/instance": "evil"},
        "podAnnotations": {"checksum/configuration": "evil"},
    },
    "OpenShift": {"podSecurityContext": {"runAsUser": None, "runAsGroup": None, "fsGroup": None}},
}
OPERATORS = "monitoring.coreos.com/v1"

each_values = pytest.mark.parametrize("values", TABLE.values(), ids=TABLE)


# ---- what is made ----------------------------------------------------------------------------------------------------


@each_values
def test_helm_finds_no_fault(values: Values) -> None:
    done = helm.run("lint", "--strict", CHART, f"--kube-version={helm.KUBERNETES}", values=values)
    assert done.returncode == 0, done.stdout


@pytest.mark.slow
@each_values
def test_every_object_keeps_the_strict_schema(values: Values) -> None:
    objects = rendered(values)
    for one in objects:
        if one["apiVersion"] != OPERATORS:
            kubernetes_validate.validate(one, helm.KUBERNETES, strict=True)
        assert one["metadata"]["namespace"] == helm.NAMESPACE
        assert one["metadata"]["labels"]["app.kubernetes.io/name"] == "bytespike-exporter"
    names = [(one["kind"], one["metadata"]["name"]) for one in objects]
    assert len(names) == len(set(names))


@each_values
def test_everything_finds_everything_else(values: Values) -> None:
    objects = rendered(values)
    [maker] = [one for one in objects if one["kind"] in ("Deployment", "StatefulSet")]
    labels = maker["spec"]["template"]["metadata"]["labels"]
    selector = maker["spec"]["selector"]["matchLabels"]
    assert selector.items() <= labels.items()
    assert service(objects)["spec"]["selector"] == selector
    policies = [one for one in objects if one["kind"] == "NetworkPolicy"]
    assert all(one["spec"]["podSelector"]["matchLabels"] == selector for one in policies)
    spec = pod(objects)
    mounted = [mount["name"] for each in _containers(spec) for mount in each["volumeMounts"]]
    assert set(mounted) == {volume["name"] for volume in spec["volumes"]}
    paths = [mount["mountPath"] for mount in spec["containers"][0]["volumeMounts"]]
    assert len(paths) == len(set(paths))


def test_a_selector_never_changes() -> None:
    """Kubernetes refuses an upgrade that changes one."""
    selectors = [
        {"app.kubernetes.io/name": "bytespike-exporter", "app.kubernetes.io/instance": helm.RELEASE},
        *(service(rendered(values))["spec"]["selector"] for values in TABLE.values()),
    ]
    assert all(selector == selectors[0] for selector in selectors)


def test_one_exporter_has_its_ledger_on_a_volume_that_stays() -> None:
    objects = rendered()
    spec = of_kind("Deployment", objects)["spec"]
    assert (spec["replicas"], spec["strategy"]) == (1, {"type": "Recreate"})
    claim = of_kind("PersistentVolumeClaim", objects)
    assert claim["metadata"]["annotations"] == {"helm.sh/resource-policy": "keep"}
    volumes = {volume["name"]: volume for volume in pod(objects)["volumes"]}
    assert volumes["ledger"]["persistentVolumeClaim"]["claimName"] == claim["metadata"]["name"]
    kinds = {one["kind"] for one in objects}
    assert kinds == {
        "ConfigMap",
        "Deployment",
        "NetworkPolicy",
        "PersistentVolumeClaim",
        "Service",
        "ServiceAccount",
    }


def test_one_exporter_on_postgresql_has_no_volume() -> None:
    objects = rendered(POSTGRESQL)
    spec = of_kind("StatefulSet", objects)["spec"]
    assert (spec["replicas"], spec["podManagementPolicy"]) == (1, "Parallel")
    assert not any("persistentVolumeClaim" in volume for volume in pod(objects)["volumes"])
    kinds = [one["kind"] for one in objects]
    assert sorted(kinds) == ["ConfigMap", "NetworkPolicy", "Service", "Service", "ServiceAccount", "StatefulSet"]


def test_replicas_know_each_other_by_the_names_of_their_pods() -> None:
    [container] = pod(rendered(REPLICAS))["containers"]
    assert "--replica.id=$(POD_NAME)" in container["args"]
    assert container["env"] == [{"name": "POD_NAME", "valueFrom": {"fieldRef": {"fieldPath": "metadata.name"}}}]


def test_from_one_to_several_on_postgresql_nothing_changes_that_kubernetes_refuses_to() -> None:
    """Of a StatefulSet these alone may change, besides the order of updates."""
    one, several = (of_kind("StatefulSet", rendered(values))["spec"] for values in (POSTGRESQL, REPLICAS))
    changed = {name for name in {*one, *several} if one.get(name) != several.get(name)}
    assert changed == {"replicas", "template"}


def test_a_headless_service_names_each_pod_and_is_not_scraped_a_second_time() -> None:
    objects = rendered({**REPLICAS, **OPERATOR})
    [headless] = [one for one in objects if one["kind"] == "Service" and one["spec"].get("clusterIP") == "None"]
    assert of_kind("StatefulSet", objects)["spec"]["serviceName"] == _name(headless)
    assert headless["spec"]["selector"] == service(objects)["spec"]["selector"]
    assert headless["spec"]["publishNotReadyAddresses"] is True
    [expression] = of_kind("ServiceMonitor", objects)["spec"]["selector"]["matchExpressions"]
    assert expression["operator"] == "DoesNotExist"
    assert expression["key"] in headless["metadata"]["labels"]
    assert expression["key"] not in service(objects)["metadata"]["labels"]


def test_what_takes_one_node_away_leaves_a_replica() -> None:
    objects = rendered(REPLICAS)
    selector = of_kind("StatefulSet", objects)["spec"]["selector"]
    budget = of_kind("PodDisruptionBudget", objects)["spec"]
    assert (budget["maxUnavailable"], budget["selector"]) == (1, selector)
    [spread] = pod(objects)["topologySpreadConstraints"]
    assert (spread["labelSelector"], spread["whenUnsatisfiable"]) == (selector, "ScheduleAnyway")


@pytest.mark.parametrize("values", [{}, POSTGRESQL], ids=["on a volume", "on PostgreSQL"])
def test_a_node_with_one_exporter_alone_can_be_drained(values: Values) -> None:
    assert "PodDisruptionBudget" not in {one["kind"] for one in rendered(values)}


def test_the_passfile_is_one_that_libpq_takes() -> None:
    """Of a Secret's files the group may read all, for that is how an ordinary user gets at them; libpq wants none."""
    spec = pod(rendered(POSTGRESQL))
    [copying] = spec["initContainers"]
    assert copying["command"] == [
        "install",
        "--mode=0600",
        "/run/secrets/postgresql/passfile",
        "/run/postgresql/passfile",
    ]
    volumes = {volume["name"]: volume for volume in spec["volumes"]}
    assert volumes["database"]["secret"]["items"] == [{"key": "pgpass", "path": "passfile"}]
    assert volumes["passfile"]["emptyDir"]["medium"] == "Memory", "a password is on no disk"
    mounts = {mount["name"]: mount for mount in spec["containers"][0]["volumeMounts"]}
    assert mounts["passfile"] == {"name": "passfile", "mountPath": "/run/postgresql", "readOnly": True}
    assert "database" not in mounts


@each_values
def test_a_pod_can_do_no_more_than_it_must(values: Values) -> None:
    spec = pod(rendered(values))
    assert spec["automountServiceAccountToken"] is False
    assert spec["securityContext"]["runAsNonRoot"] is True
    for each in _containers(spec):
        assert each["securityContext"] == {
            "allowPrivilegeEscalation": False,
            "readOnlyRootFilesystem": True,
            "capabilities": {"drop": ["ALL"]},
        }


def test_the_pod_is_that_of_the_manifests() -> None:
    mine = pod(rendered())
    theirs = yaml.safe_load((KUSTOMIZE / "deployment.yaml").read_text())["spec"]["template"]["spec"]
    same = ("automountServiceAccountToken", "enableServiceLinks", "terminationGracePeriodSeconds", "securityContext")
    assert {name: mine[name] for name in same} == {name: theirs[name] for name in same}
    [container], [their] = mine["containers"], theirs["containers"]
    for name in ("args", "ports", "securityContext", "resources"):
        assert container[name] == their[name]
    for name in ("startupProbe", "livenessProbe", "readinessProbe"):
        assert container[name]["httpGet"].pop("scheme") == "HTTP"
        assert container[name] == their[name]
    assert {mount["mountPath"] for mount in container["volumeMounts"]} == {
        mount["mountPath"] for mount in their["volumeMounts"]
    }


def test_the_network_policy_is_that_of_the_manifests_but_for_what_is_yours() -> None:
    mine = of_kind("NetworkPolicy", rendered({"networkPolicy": {"egress": [DATABASE]}}))["spec"]
    theirs = yaml.safe_load((KUSTOMIZE / "network-policy.yaml").read_text())["spec"]
    *shipped, application = theirs["egress"]
    assert mine["egress"] == [*shipped, DATABASE]
    assert application["ports"] == [{"port": 8080, "protocol": "TCP"}]
    assert mine["ingress"] == theirs["ingress"]


def test_only_callbacks_come_from_outside() -> None:
    objects = rendered(EVERYTHING)
    [rule] = of_kind("Ingress", objects)["spec"]["rules"]
    [path] = rule["http"]["paths"]
    assert (path["path"], path["pathType"]) == ("/api/v1/callbacks/", "Prefix")
    assert path["backend"]["service"]["name"] == service(objects)["metadata"]["name"]
    [ingress] = of_kind("NetworkPolicy", objects)["spec"]["ingress"]
    namespaces = [peer["namespaceSelector"]["matchLabels"]["kubernetes.io/metadata.name"] for peer in ingress["from"]]
    assert namespaces == ["monitoring", "my-namespace", "ingress-nginx"]


def test_values_of_the_pod_arrive_there() -> None:
    spec = pod(rendered(EVERYTHING))
    [container] = spec["containers"]
    assert container["image"] == "ghcr.io/bytespike/bytespike-exporter@sha256:" + "0" * 64
    assert container["args"][-1] == "--log.level=debug"
    assert container["env"][-1:] == EVERYTHING["env"]
    assert {container[name]["httpGet"]["scheme"] for name in ("startupProbe", "livenessProbe")} == {"HTTPS"}
    assert spec["serviceAccountName"] == "mine"
    assert spec["priorityClassName"] == "high"


def test_what_is_hostile_arrives_as_it_is() -> None:
    objects = rendered(TABLE["hostile"])
    assert _model(_settings(objects)) == HOSTILE_LINE
    [container] = pod(objects)["containers"]
    assert container["env"] == [{"name": "A", "value": HOSTILE}]
    assert container["args"][-1] == f"--x={HOSTILE}"
    assert service(objects)["metadata"]["annotations"] == {"a": HOSTILE}


def test_nothing_takes_the_place_of_the_release_s_own_labels() -> None:
    objects = rendered(TABLE["own labels"])
    assert "evil" not in json.dumps([one for one in objects if one["kind"] != "ConfigMap"])


@pytest.mark.parametrize(
    ("release", "name"),
    [
        ("bytespike-exporter", "bytespike-exporter"),
        ("eu", "eu-bytespike-exporter"),
        ("1", "1-bytespike-exporter"),
        ("x" * 53, "x" * 52),
    ],
)
def test_objects_are_named_after_the_release(release: str, name: str) -> None:
    assert {one["metadata"]["name"] for one in rendered(release=release)} == {name}


@pytest.mark.parametrize("word", ["true", "null", "no", "e1"])
def test_a_name_that_looks_like_something_else_is_a_name(word: str) -> None:
    objects = rendered({"fullnameOverride": word})
    assert {one["metadata"]["name"] for one in objects} == {word}
    assert {"name": "configuration", "configMap": {"name": word}} in pod(objects)["volumes"]


# ---- the configuration -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("values", [TABLE["default"], SECRETS, POSTGRESQL], ids=["default", "secrets", "PostgreSQL"])
def test_the_exporter_takes_its_configuration(values: Values, tmp_path: Path) -> None:
    (tmp_path / "exporter.yml").write_text(_configuration(rendered(values)))
    done = CliRunner().invoke(cli, ["check-config", str(tmp_path / "exporter.yml")])
    assert done.exit_code == 0, done.output


def test_its_secrets_are_where_its_configuration_looks() -> None:
    objects = rendered(SECRETS)
    settings = _settings(objects)
    [group] = settings.task_groups
    assert group.callback_config is not None
    assert settings.api.token_file is not None
    keys = {str(account.api_key_file) for account in settings.accounts}
    mounts = {mount["name"]: mount["mountPath"] for mount in pod(objects)["containers"][0]["volumeMounts"]}
    assert keys == {f"{mounts['api-keys']}/api_key"}
    for path in (settings.api.token_file, group.callback_config.secret_file):
        assert str(path.parent) == mounts["api"]
    secrets = {volume["secret"]["secretName"] for volume in pod(objects)["volumes"] if "secret" in volume}
    assert secrets == {"keys", "bytespike-exporter-api"}


def test_large_numbers_and_times_stay_what_they_are() -> None:
    item = {"task_ids": ["t"], "submitted_at": "2026-05-25T08:30:00Z"}
    files = {"files": ["t.yml"], "max_tasks": 10_000_000}
    group = {"name": "g", "static_configs": [item], "file_sd_configs": [files]}
    [read] = _settings(rendered({"config": {"task_groups": [group]}})).task_groups
    assert read.file_sd_configs[0].max_tasks == 10_000_000
    assert read.static_configs[0].submitted_at is not None


def test_a_changed_configuration_is_a_new_pod() -> None:
    def checksum(values: Values) -> str:
        annotations = of_kind("Deployment", rendered(values))["spec"]["template"]["metadata"]["annotations"]
        return str(annotations["checksum/configuration"])

    changed = {"config": {"global": {"overdue_factor": 4}}}
    assert checksum({}) == checksum({"service": {"annotations": {"a": "1"}}}) != checksum(changed)
    assert checksum({**changed, "podAnnotations": {"checksum/configuration": "x"}}) == checksum(changed)


# ---- Prometheus and Grafana ------------------------------------------------------------------------------------------


def test_the_rules_are_the_shipped_ones() -> None:
    assert of_kind("PrometheusRule", rendered(OPERATOR))["spec"] == tree((*recording.groups(), *alerting.groups()))


def test_the_monitor_is_that_of_the_manifests() -> None:
    mine = of_kind("ServiceMonitor", rendered(OPERATOR))["spec"]
    theirs = yaml.safe_load((KUSTOMIZE / "service-monitor.yaml").read_text())["spec"]
    [endpoint], [their] = mine.pop("endpoints"), theirs.pop("endpoints")
    assert mine.pop("selector")["matchLabels"].items() >= theirs.pop("selector")["matchLabels"].items()
    assert mine == theirs
    assert endpoint == {**their, "scheme": "http"}


def test_with_either_ledger_the_series_are_the_same() -> None:
    on_volume, on_postgresql = (
        of_kind("ServiceMonitor", rendered({**values, **OPERATOR})) for values in ({}, POSTGRESQL)
    )
    assert on_volume["spec"] == on_postgresql["spec"]


def test_an_account_keeps_its_series_whoever_owns_it_and_from_one_exporter_to_several() -> None:
    one, several = (of_kind("ServiceMonitor", rendered({**values, **OPERATOR})) for values in (POSTGRESQL, REPLICAS))
    [alone], [shared] = one["spec"]["endpoints"], several["spec"]["endpoints"]
    [rule] = shared["metricRelabelings"]
    [shipped] = yaml.safe_load(SHIPPED_JOB.read_text())["scrape_configs"][0]["metric_relabel_configs"]
    assert (rule["sourceLabels"], rule["targetLabel"]) == (shipped["source_labels"], shipped["target_label"])
    assert rule["regex"] == shipped["regex"]
    # one exporter alone is known by its namespace and its Service
    assert {"sourceLabels": ["namespace", "service"], "separator": "/", "targetLabel": "instance"} in alone[
        "relabelings"
    ]
    assert rule["replacement"] == f"{helm.NAMESPACE}/{_name(service(rendered(REPLICAS)))}"
    assert {"sourceLabels": ["namespace", "pod"], "separator": "/", "targetLabel": "instance"} in shared["relabelings"]


def test_rules_of_your_own_come_after_the_chart_s() -> None:
    [endpoint] = of_kind("ServiceMonitor", rendered(EVERYTHING))["spec"]["endpoints"]
    first, second = endpoint["metricRelabelings"]
    assert (first["targetLabel"], second) == ("instance", {"action": "drop"})


def test_the_dashboards_are_the_shipped_ones() -> None:
    maps = [one for one in rendered(OPERATOR) if one["metadata"]["labels"].get("grafana_dashboard") == "1"]
    texts = {name: text for one in maps for name, text in one["data"].items()}
    shipped = {path.name: path.read_text() for path in (PROJECT / "dashboards").glob("*.json")}
    assert texts == shipped


def test_every_copy_in_the_chart_is_generated() -> None:
    files = {str(path.relative_to(PROJECT)) for path in (CHART / "files").rglob("*") if path.is_file()}
    assert files == {name for name in GENERATED if "bytespike-exporter/files/" in name}
    for name in files - {f"{CHART.relative_to(PROJECT)}/files/account-families.txt"}:  # a part of a file
        original = name.rpartition("/files/")[2].replace("rules/", "config/prometheus/rules/")
        assert GENERATED[name] == GENERATED[original]


def test_a_release_is_small_enough_for_the_secret_that_helm_keeps_it_in() -> None:
    """A Secret has a megabyte at most; Helm puts the chart and all that it rendered into it, compressed."""
    parts = [path.read_text() for path in CHART.rglob("*") if path.is_file()]
    size = len(
        base64.b64encode(
            base64.b64encode(gzip.compress(json.dumps([parts, rendered({**EVERYTHING, **OPERATOR})]).encode()))
        )
    )
    assert size < 1024 * 1024


# ---- what is refused -------------------------------------------------------------------------------------------------

REFUSED: list[tuple[Values, str]] = [
    ({"replicas": 2}, "replicas: 2 exporters need one ledger on PostgreSQL. Give config.ledger.url"),
    ({**POSTGRESQL, "replicas": 101}, "at '/replicas': maximum: got 101, want 100"),
    ({"replicas": -1}, "at '/replicas': minimum: got -1, want 0"),
    ({"replicas": "2"}, "at '/replicas': got string, want integer"),
    ({**POSTGRESQL, "networkPolicy": {}}, "networkPolicy.egress: the exporter may not reach PostgreSQL"),
    ({**POSTGRESQL, "secrets": {}}, "secrets.database.name: config names a file below /run/postgresql"),
    ({**SECRETS, "secrets": {}}, "secrets.api: config names a file below /run/secrets/bytespike-exporter"),
    ({"secrets": {"apiKeys": ""}}, "secrets.apiKeys: config names a file below /run/secrets/bytespike,"),
    ({"config": {"ledger": {"url": "postgresql://u:hunter2@db/x"}}}, "config.ledger.url carries a password"),
    ({"config": {"ledger": {"url": "postgresql://u@db/x?password=hunter2"}}}, "config.ledger.url carries a password"),
    (
        {"config": {"ledger": {"url": "postgresql://u@db/x?sslpassword=hunter2"}}},
        "config.ledger.url carries a password",
    ),
    ({"config": {"ledger": {"url": "postgres://u:hunter2@db/x"}}}, "config.ledger.url: begins neither with sqlite:///"),
    ({"podDisruptionBudget": {"maxUnavailable": 0}}, "at '/podDisruptionBudget/maxUnavailable': minimum"),
    ({"config": {"acounts": []}}, "at '/config': additional properties 'acounts' not allowed"),
    ({"config": {"accounts": [{"name": "a", "timeout": "soon"}]}}, "at '/config/accounts/0/timeout'"),
    ({"config": {"accounts": [{"name": "a", "timeout": ""}]}}, "at '/config/accounts/0/timeout'"),
    ({"image": {"tga": "x"}}, "at '/image': additional properties 'tga' not allowed"),
    ({"image": {"tag": "a b"}}, "at '/image/tag'"),
    ({"persistence": {"accessMode": "ReadWriteMany"}}, "at '/persistence/accessMode': value must be one of"),
    ({"serviceMonitor": {"interval": "1 minute"}}, "at '/serviceMonitor/interval'"),
    ({"ingress": {"enabled": True}}, "at '/ingress/host': minLength: got 0, want 1"),
    ({"args": ["serve"]}, "at '/args/0': 'serve' does not match pattern '^--'"),
    ({"config": None}, "missing property 'config'"),
    ({"secrets": {"database": None}}, "at '/secrets': missing property 'database'"),
    ({"labels": {"a": "x y"}}, "at '/labels/a'"),
    ({"fullnameOverride": "No_Name"}, "at '/fullnameOverride'"),
]


@pytest.mark.parametrize(("values", "message"), REFUSED, ids=[json.dumps(values) for values, _ in REFUSED])
def test_values_that_cannot_be_are_refused(values: Values, message: str) -> None:
    said = refusal(values)
    assert message in said
    assert "hunter2" not in said


def test_every_value_that_there_is_is_known_to_the_schema() -> None:
    values = yaml.safe_load((CHART / "values.yaml").read_text())
    schema = json.loads((CHART / "values.schema.json").read_text())
    assert {*values, "global"} == set(schema["properties"])


# ---- what is said afterwards -----------------------------------------------------------------------------------------


def notes(values: Values, directory: Path) -> str:
    """What an installation would print: helm renders it beside a cluster alone, and any other template without one."""
    chart = shutil.copytree(CHART, directory / "chart")
    text = (chart / "templates/NOTES.txt").read_text()
    (chart / "templates/_notes.tpl").write_text(f'{{{{ define "notes" }}}}{text}{{{{ end }}}}')
    (chart / "templates/notes.yaml").write_text('kind: Notes\ntext: {{ include "notes" . | quote }}\n')
    return str(of_kind("Notes", rendered(values, chart=chart))["text"])


def test_the_next_commands_are_told(tmp_path: Path) -> None:
    said = notes({}, tmp_path)
    assert "kubectl -n monitoring create secret generic bytespike-api-key --from-file=api_key=FILE" in said
    assert "kubectl -n monitoring rollout status deployment/exporter-bytespike-exporter" in said
    assert "It follows no task yet" in said
    assert "Nothing scrapes it yet" in said


def test_what_is_done_already_is_not_told(tmp_path: Path) -> None:
    said = notes(EVERYTHING, tmp_path)
    assert "statefulset/exporter-of-eu" in said
    assert "yet" not in said.replace("not there yet", "")


# ---- what the page says ----------------------------------------------------------------------------------------------

PAGE = (PROJECT / "docs/kubernetes.md").read_text()
SNIPPETS = [yaml.safe_load(text) for text in re.findall(r"```yaml\n(.*?)```", PAGE, re.DOTALL)]


def test_the_values_on_the_page_are_taken() -> None:
    on_volume, on_postgresql = (snippet for snippet in SNIPPETS if "config" in snippet)
    objects = rendered(on_volume)
    [group] = _settings(objects).task_groups
    assert group.http_sd_configs
    assert {"ServiceMonitor", "PrometheusRule"} <= {each["kind"] for each in objects}
    assert _settings(rendered(on_postgresql)).ledger.url == URL


def test_the_job_on_the_page_scrapes_the_service() -> None:
    [snippet] = [snippet for snippet in SNIPPETS if "scrape_configs" in snippet]
    [job] = snippet["scrape_configs"]
    scraped = service(rendered(release="bytespike-exporter"))
    [port] = scraped["spec"]["ports"]
    assert job["static_configs"] == [
        {"targets": [f"{_name(scraped)}.{scraped['metadata']['namespace']}.svc:{port['port']}"]}
    ]


def _containers(spec: dict[str, Any]) -> list[dict[str, Any]]:
    return [*spec["containers"], *spec.get("initContainers", [])]


def _configuration(objects: list[helm.Object]) -> str:
    """The exporter.yml that the pods are given."""
    [name] = [volume["configMap"]["name"] for volume in pod(objects)["volumes"] if "configMap" in volume]
    [text] = [one["data"]["exporter.yml"] for one in objects if one["kind"] == "ConfigMap" and _name(one) == name]
    return str(text)


def _name(one: helm.Object) -> str:
    return str(one["metadata"]["name"])


def _settings(objects: list[helm.Object]) -> Settings:
    return parse(_configuration(objects), file="exporter.yml", base=Path("/etc/bytespike-exporter"))


def _model(settings: Settings) -> str | None:
    return settings.task_groups[0].static_configs[0].model
