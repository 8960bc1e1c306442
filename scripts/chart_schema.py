"""The schema of the Helm chart's values, the exporter's own configuration within it; ``make docs`` writes it.

So a key that is misspelt in ``config`` is refused by ``helm install`` and not by a pod that does not start.
"""

import json
import sys
from typing import Any

from exporter.settings.schema_json import json_schema

TEXT = {"type": "string"}
NAME = {"type": "string", "maxLength": 253, "pattern": "^([a-z0-9]([-a-z0-9.]*[a-z0-9])?)?$"}
LABEL = {"type": "string", "maxLength": 63, "pattern": "^(([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9])?$"}
LABELS = {"type": "object", "additionalProperties": LABEL}
ANNOTATIONS = {"type": "object", "additionalProperties": TEXT}
YES_OR_NO = {"type": "boolean"}
DURATION = {"type": "string", "pattern": "^([0-9]+(ms|[smhd]))+$"}
AS_IN_KUBERNETES: dict[str, Any] = {"type": "object"}
LIST_AS_IN_KUBERNETES = {"type": "array", "items": AS_IN_KUBERNETES}


def obj(properties: dict[str, Any], **more: Any) -> dict[str, Any]:
    """An object with these keys and no others."""
    return {"type": "object", "additionalProperties": False, "properties": properties, **more}


VALUES: dict[str, Any] = {
    "replicas": {"type": "integer", "minimum": 0, "maximum": 100},
    "image": obj(
        {
            "repository": {"type": "string", "pattern": "^[^\\s@]+$"},
            "tag": {"type": "string", "pattern": "^([A-Za-z0-9_][A-Za-z0-9_.-]{0,127})?$"},
            "digest": {"type": "string", "pattern": "^(sha256:[0-9a-f]{64})?$"},
            "pullPolicy": {"enum": ["Always", "IfNotPresent", "Never"]},
        }
    ),
    "imagePullSecrets": LIST_AS_IN_KUBERNETES,
    "config": {"$ref": "#/$defs/configuration"},
    "secrets": obj(
        {
            "apiKeys": NAME,
            "api": NAME,
            "database": obj({"name": NAME, "key": {"type": "string", "pattern": "^[-._A-Za-z0-9]+$"}}),
        },
        required=["database"],
    ),
    "persistence": obj(
        {
            "existingClaim": NAME,
            "storageClassName": NAME,
            "accessMode": {"enum": ["ReadWriteOnce", "ReadWriteOncePod"]},
            "size": {"type": "string", "pattern": "^[0-9]+([KMGT]i?)?$"},
            "keep": YES_OR_NO,
        }
    ),
    "service": obj({"annotations": ANNOTATIONS}),
    "serviceMonitor": obj(
        {
            "enabled": YES_OR_NO,
            "labels": LABELS,
            "interval": DURATION,
            "scrapeTimeout": DURATION,
            "sampleLimit": {"type": "integer", "minimum": 0},
            "endpoint": AS_IN_KUBERNETES,
        }
    ),
    "prometheusRule": obj({"enabled": YES_OR_NO, "labels": LABELS}),
    "dashboards": obj({"enabled": YES_OR_NO, "labels": LABELS, "annotations": ANNOTATIONS}),
    "networkPolicy": obj(
        {
            "enabled": YES_OR_NO,
            "prometheusNamespace": {**NAME, "minLength": 1},
            "callers": {"type": "array", "items": {**NAME, "minLength": 1}},
            "egress": LIST_AS_IN_KUBERNETES,
        }
    ),
    "ingress": obj(
        {
            "enabled": YES_OR_NO,
            "className": NAME,
            "annotations": ANNOTATIONS,
            "host": TEXT,
            "tlsSecret": NAME,
        },
        **{"if": {"properties": {"enabled": {"const": True}}}, "then": {"properties": {"host": {"minLength": 1}}}},
    ),
    "podDisruptionBudget": obj({"maxUnavailable": {"type": "integer", "minimum": 1}}),
    "serviceAccount": obj({"create": YES_OR_NO, "name": NAME, "annotations": ANNOTATIONS}),
    "fullnameOverride": {"type": "string", "maxLength": 52, "pattern": "^([a-z]([-a-z0-9]*[a-z0-9])?)?$"},
    "labels": LABELS,
    "podLabels": LABELS,
    "podAnnotations": ANNOTATIONS,
    "args": {"type": "array", "items": {"type": "string", "pattern": "^--"}},
    "env": {"type": "array", "items": {"type": "object", "required": ["name"]}},
    "scheme": {"enum": ["HTTP", "HTTPS"]},
    "extraVolumes": LIST_AS_IN_KUBERNETES,
    "extraVolumeMounts": LIST_AS_IN_KUBERNETES,
    "resources": AS_IN_KUBERNETES,
    "podSecurityContext": AS_IN_KUBERNETES,
    "securityContext": AS_IN_KUBERNETES,
    "priorityClassName": NAME,
    "nodeSelector": LABELS,
    "tolerations": LIST_AS_IN_KUBERNETES,
    "affinity": AS_IN_KUBERNETES,
    "topologySpreadConstraints": LIST_AS_IN_KUBERNETES,
    # what helm itself puts in, where the chart is part of another
    "global": AS_IN_KUBERNETES,
}

NEVER_NULL = (
    *("image", "config", "secrets", "persistence", "service", "serviceMonitor", "prometheusRule", "dashboards"),
    *("networkPolicy", "ingress", "podDisruptionBudget", "serviceAccount", "labels", "podLabels", "podAnnotations"),
)
"""To helm null takes a value away: of these something has to be left."""


def schema() -> dict[str, Any]:
    """The schema, draft 2020-12; the configuration's definitions stand beside it."""
    configuration = _for_helm(json_schema())
    definitions = configuration.pop("$defs")
    del configuration["$schema"], configuration["title"]
    # the templates judge it, and say what to do
    definitions["LedgerSettings"]["properties"]["url"].pop("pattern", None)
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "values of the chart bytespike-exporter",
        **obj(VALUES, required=list(NEVER_NULL)),
        "$defs": {"configuration": configuration, **definitions},
    }


def _for_helm(node: Any) -> Any:
    """The same without what looks ahead, which Go's regular expressions cannot: that something is there is a length."""
    if isinstance(node, list):
        return [_for_helm(each) for each in node]
    if not isinstance(node, dict):
        return node
    shaped = {name: _for_helm(value) for name, value in node.items()}
    pattern = shaped.get("pattern")
    if isinstance(pattern, str) and "(?=[0-9])" in pattern:
        shaped |= {"pattern": pattern.replace("(?=[0-9])", ""), "minLength": 1}
    return shaped


if __name__ == "__main__":
    sys.stdout.write(json.dumps(schema(), indent=2, ensure_ascii=False) + "\n")
