{{/* The objects' name. */}}
{{- define "name" -}}
{{- .Values.fullnameOverride | default (contains "bytespike-exporter" .Release.Name | ternary .Release.Name (printf "%s-bytespike-exporter" .Release.Name)) | trunc 52 | trimSuffix "-" -}}
{{- end -}}

{{/* What tells this release's pods from those of another. The first is the job, which the alerts look for. */}}
{{- define "selector" -}}
app.kubernetes.io/name: bytespike-exporter
app.kubernetes.io/instance: {{ .Release.Name | quote }}
{{- end -}}

{{/* The labels of an object: the release's own come last, so that nothing takes their place. */}}
{{- define "labels" -}}
{{- $release := dict
  "app.kubernetes.io/version" .Chart.AppVersion
  "app.kubernetes.io/managed-by" .Release.Service
  "helm.sh/chart" (printf "%s-%s" .Chart.Name .Chart.Version | replace "+" "_") -}}
{{- mergeOverwrite (dict) .Values.labels (.more | default dict) $release (include "selector" . | fromYaml) | toYaml -}}
{{- end -}}

{{/* What every object begins with. With `more` (merged into the context) it has further labels, with `called` another name. */}}
{{- define "metadata" -}}
name: {{ .called | default (include "name" .) | quote }}
namespace: {{ .Release.Namespace | quote }}
labels:
  {{- include "labels" . | nindent 2 }}
{{- end -}}

{{/* Where the ledger is; the exporter's own default where config does not say. */}}
{{- define "ledgerUrl" -}}
{{- dig "ledger" "url" "sqlite:///data/ledger.db" .Values.config -}}
{{- end -}}

{{/* Not empty where the ledger is on PostgreSQL, and so on no volume. */}}
{{- define "onPostgresql" -}}
{{- if include "ledgerUrl" . | hasPrefix "postgresql://" }}yes{{ end -}}
{{- end -}}

{{/* The Service that gives each pod of a StatefulSet a name. */}}
{{- define "headless" -}}
{{ include "name" . }}-pods
{{- end -}}

{{/* An account's series are the account's, whichever replica shows them; one exporter alone has given them the same instance. */}}
{{- define "oneSeries" -}}
{{- if gt (int .Values.replicas) 1 -}}
- sourceLabels: [__name__]
  regex: {{ .Files.Get "files/account-families.txt" | trim | quote }}
  targetLabel: instance
  replacement: {{ printf "%s/%s" .Release.Namespace (include "name" .) | quote }}
{{- end -}}
{{- end -}}

{{- define "image" -}}
{{- if .Values.image.digest -}}
{{ .Values.image.repository }}@{{ .Values.image.digest }}
{{- else -}}
{{ .Values.image.repository }}:{{ .Values.image.tag | default (printf "v%s" .Chart.AppVersion) }}
{{- end -}}
{{- end -}}

{{- define "serviceAccount" -}}
{{- .Values.serviceAccount.name | default (.Values.serviceAccount.create | ternary (include "name" .) "default") -}}
{{- end -}}
