{{/* What the schema cannot say: values that do not fit together, each with what to do about it. */}}
{{- define "refusals" -}}
{{- $config := toYaml .Values.config -}}
{{- $ledger := include "ledgerUrl" . -}}
{{- if and (gt (int .Values.replicas) 1) (not (include "onPostgresql" .)) -}}
{{- fail (printf "replicas: %d exporters need one ledger on PostgreSQL. Give config.ledger.url, such as postgresql://bytespike@db.example/bytespike?passfile=/run/postgresql/passfile, or replicas: 1" (int .Values.replicas)) -}}
{{- end -}}
{{- if not (or (hasPrefix "sqlite:///" $ledger) (hasPrefix "postgresql://" $ledger)) -}}
{{- fail "config.ledger.url: begins neither with sqlite:/// nor with postgresql://" -}}
{{- end -}}
{{- if regexMatch "^[^:/]+://[^/?#]*:[^/?#]*@|[?&](ssl)?password=" $ledger -}}
{{- fail "config.ledger.url carries a password, which would stand in a ConfigMap. Put it into a Secret, name that in secrets.database, and end the URL with ?passfile=/run/postgresql/passfile" -}}
{{- end -}}
{{- if and (include "onPostgresql" .) .Values.networkPolicy.enabled (not .Values.networkPolicy.egress) -}}
{{- fail "networkPolicy.egress: the exporter may not reach PostgreSQL. Give a rule for it, such as [{to: [{ipBlock: {cidr: 10.0.0.5/32}}], ports: [{port: 5432, protocol: TCP}]}], or networkPolicy.enabled: false" -}}
{{- end -}}
{{- if and (contains "/run/postgresql/" $config) (not .Values.secrets.database.name) -}}
{{- fail "secrets.database.name: config names a file below /run/postgresql, and no Secret brings it" -}}
{{- end -}}
{{- if and (contains "/run/secrets/bytespike-exporter/" $config) (not .Values.secrets.api) -}}
{{- fail "secrets.api: config names a file below /run/secrets/bytespike-exporter, and no Secret brings it" -}}
{{- end -}}
{{- if and (contains "/run/secrets/bytespike/" $config) (not .Values.secrets.apiKeys) -}}
{{- fail "secrets.apiKeys: config names a file below /run/secrets/bytespike, and no Secret brings it" -}}
{{- end -}}
{{- end -}}
