{{/* The pod, whoever makes it: its metadata and its spec. */}}
{{- define "pod" -}}
metadata:
  labels:
    {{- mergeOverwrite (dict) .Values.podLabels (include "selector" . | fromYaml) | toYaml | nindent 4 }}
  annotations:
    # a changed configuration is a new pod
    {{- dict "checksum/configuration" (toYaml .Values.config | sha256sum) | mergeOverwrite (dict) .Values.podAnnotations | toYaml | nindent 4 }}
spec:
  serviceAccountName: {{ include "serviceAccount" . | quote }}
  automountServiceAccountToken: false
  enableServiceLinks: false
  terminationGracePeriodSeconds: 15  # it takes ten at most
  {{- with .Values.imagePullSecrets }}
  imagePullSecrets:
    {{- toYaml . | nindent 4 }}
  {{- end }}
  {{- with .Values.podSecurityContext }}
  securityContext:
    {{- toYaml . | nindent 4 }}
  {{- end }}
  {{- if .Values.secrets.database.name }}
  initContainers:
    # libpq takes no password from a file that a group may read, and every file of a Secret is such a one here
    - name: passfile
      image: {{ include "image" . | quote }}
      imagePullPolicy: {{ .Values.image.pullPolicy }}
      command: [install, --mode=0600, /run/secrets/postgresql/passfile, /run/postgresql/passfile]
      {{- with .Values.securityContext }}
      securityContext:
        {{- toYaml . | nindent 8 }}
      {{- end }}
      {{- with .Values.resources }}
      resources:
        {{- toYaml . | nindent 8 }}
      {{- end }}
      volumeMounts:
        - {name: database, mountPath: /run/secrets/postgresql, readOnly: true}
        - {name: passfile, mountPath: /run/postgresql}
  {{- end }}
  containers:
    - name: exporter
      image: {{ include "image" . | quote }}
      imagePullPolicy: {{ .Values.image.pullPolicy }}
      args:
        - --config.file=/etc/bytespike-exporter/exporter.yml
        - --log.format=json
        {{- if include "onPostgresql" . }}
        - --replica.id=$(POD_NAME)
        {{- end }}
        {{- with .Values.args }}
        {{- toYaml . | nindent 8 }}
        {{- end }}
      {{- if or (include "onPostgresql" .) .Values.env }}
      env:
        {{- if include "onPostgresql" . }}
        - name: POD_NAME
          valueFrom: {fieldRef: {fieldPath: metadata.name}}
        {{- end }}
        {{- with .Values.env }}
        {{- toYaml . | nindent 8 }}
        {{- end }}
      {{- end }}
      ports:
        - {name: metrics, containerPort: 9877}
      {{- with .Values.securityContext }}
      securityContext:
        {{- toYaml . | nindent 8 }}
      {{- end }}
      startupProbe:
        httpGet: {path: /-/healthy, port: metrics, scheme: {{ .Values.scheme }}}
        periodSeconds: 2
        failureThreshold: 150  # a large ledger may have to be migrated
      # 503 where a loop has died or the event loop stands still: nothing but a new process helps
      livenessProbe:
        httpGet: {path: /-/healthy, port: metrics, scheme: {{ .Values.scheme }}}
        periodSeconds: 20
        timeoutSeconds: 5
      # for the API's callers: Prometheus finds a pod that is not ready all the same
      readinessProbe:
        httpGet: {path: /-/ready, port: metrics, scheme: {{ .Values.scheme }}}
        periodSeconds: 10
        timeoutSeconds: 5
      {{- with .Values.resources }}
      resources:
        {{- toYaml . | nindent 8 }}
      {{- end }}
      volumeMounts:
        - {name: configuration, mountPath: /etc/bytespike-exporter, readOnly: true}
        - {name: tmp, mountPath: /tmp}
        # whole Secrets: a single file of one (subPath) would never change
        {{- if .Values.secrets.apiKeys }}
        - {name: api-keys, mountPath: /run/secrets/bytespike, readOnly: true}
        {{- end }}
        {{- if .Values.secrets.api }}
        - {name: api, mountPath: /run/secrets/bytespike-exporter, readOnly: true}
        {{- end }}
        {{- if .Values.secrets.database.name }}
        - {name: passfile, mountPath: /run/postgresql, readOnly: true}
        {{- end }}
        {{- if not (include "onPostgresql" .) }}
        - {name: ledger, mountPath: /data}
        {{- end }}
        {{- with .Values.extraVolumeMounts }}
        {{- toYaml . | nindent 8 }}
        {{- end }}
  volumes:
    - name: configuration
      configMap: {name: {{ include "name" . | quote }}}
    - name: tmp  # SQLite sorts what does not fit into memory there
      emptyDir: {sizeLimit: 64Mi}
    {{- with .Values.secrets.apiKeys }}
    - name: api-keys
      secret: {secretName: {{ . | quote }}, defaultMode: 0440}
    {{- end }}
    {{- with .Values.secrets.api }}
    - name: api
      secret: {secretName: {{ . | quote }}, defaultMode: 0440}
    {{- end }}
    {{- with .Values.secrets.database }}
    {{- if .name }}
    - name: database
      secret:
        secretName: {{ .name | quote }}
        defaultMode: 0440
        items: [{key: {{ .key | quote }}, path: passfile}]
    - name: passfile
      emptyDir: {medium: Memory, sizeLimit: 1Mi}
    {{- end }}
    {{- end }}
    {{- if not (include "onPostgresql" .) }}
    - name: ledger
      persistentVolumeClaim: {claimName: {{ .Values.persistence.existingClaim | default (include "name" .) | quote }}}
    {{- end }}
    {{- with .Values.extraVolumes }}
    {{- toYaml . | nindent 4 }}
    {{- end }}
  {{- with .Values.priorityClassName }}
  priorityClassName: {{ . | quote }}
  {{- end }}
  {{- with .Values.nodeSelector }}
  nodeSelector:
    {{- toYaml . | nindent 4 }}
  {{- end }}
  {{- with .Values.tolerations }}
  tolerations:
    {{- toYaml . | nindent 4 }}
  {{- end }}
  {{- with .Values.affinity }}
  affinity:
    {{- toYaml . | nindent 4 }}
  {{- end }}
  {{- if .Values.topologySpreadConstraints }}
  topologySpreadConstraints:
    {{- toYaml .Values.topologySpreadConstraints | nindent 4 }}
  {{- else if gt (int .Values.replicas) 1 }}
  topologySpreadConstraints:  # what takes one node away leaves a replica
    - topologyKey: kubernetes.io/hostname
      maxSkew: 1
      whenUnsatisfiable: ScheduleAnyway
      labelSelector:
        matchLabels:
          {{- include "selector" . | nindent 10 }}
  {{- end }}
{{- end -}}
