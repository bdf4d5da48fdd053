{{/* Labels of an object. Takes (dict "root" $ "name" NAME "component" COMPONENT). */}}
{{- define "flotta-companion.labels" -}}
{{ include "flotta-companion.selector" . }}
app.kubernetes.io/instance: {{ .root.Release.Name }}
app.kubernetes.io/version: {{ .root.Chart.AppVersion | quote }}
app.kubernetes.io/part-of: flotta
app.kubernetes.io/managed-by: {{ .root.Release.Service }}
helm.sh/chart: {{ printf "%s-%s" .root.Chart.Name .root.Chart.Version }}
{{- with .root.Values.commonLabels }}
{{ toYaml . }}
{{- end }}
{{- end }}

{{/* Labels by which pods are found. They can never change: selectors of workloads are immutable. */}}
{{- define "flotta-companion.selector" -}}
app.kubernetes.io/name: {{ .name }}
app.kubernetes.io/component: {{ .component }}
{{- end }}

{{/*
Labels of pods: nothing in them changes with the chart's version, which would restart pods for no reason. Takes what
"flotta-companion.labels" takes, and "extra".
*/}}
{{- define "flotta-companion.podLabels" -}}
{{ include "flotta-companion.selector" . }}
app.kubernetes.io/instance: {{ .root.Release.Name }}
app.kubernetes.io/part-of: flotta
{{- with merge (dict) (.extra | default dict) .root.Values.commonLabels }}
{{ toYaml . }}
{{- end }}
{{- end }}

{{/* Reference of an image. Takes (dict "root" $ "image" VALUES). */}}
{{- define "flotta-companion.image" -}}
{{- if .image.digest -}}
{{ .image.repository }}@{{ .image.digest }}
{{- else -}}
{{ .image.repository }}:{{ .image.tag | default .root.Chart.AppVersion }}
{{- end -}}
{{- end }}

{{/* Security of every pod: the "restricted" Pod Security Standard. */}}
{{- define "flotta-companion.podSecurity" -}}
runAsNonRoot: true
runAsUser: 65532
runAsGroup: 65532
fsGroup: 65532
fsGroupChangePolicy: OnRootMismatch
seccompProfile: {type: RuntimeDefault}
{{- end }}

{{/* Security of every container. */}}
{{- define "flotta-companion.containerSecurity" -}}
allowPrivilegeEscalation: false
readOnlyRootFilesystem: true
capabilities: {drop: [ALL]}
{{- end }}

{{/* Where and how pods of a workload run. Takes (dict "values" VALUES "root" $ "selector" LABELS). */}}
{{- define "flotta-companion.placement" -}}
{{- with .root.Values.imagePullSecrets }}
imagePullSecrets:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- with .values.priorityClassName }}
priorityClassName: {{ . }}
{{- end }}
{{- with .values.nodeSelector }}
nodeSelector:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- with .values.tolerations }}
tolerations:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- with .values.affinity }}
affinity:
  {{- toYaml . | nindent 2 }}
{{- end }}
topologySpreadConstraints:
{{- with .values.topologySpreadConstraints }}
  {{- toYaml . | nindent 2 }}
{{- else }}
  - maxSkew: 1
    topologyKey: kubernetes.io/hostname
    whenUnsatisfiable: ScheduleAnyway
    labelSelector:
      matchLabels:
        {{- .selector | nindent 8 }}
{{- end }}
{{- end }}

{{/* Environment of the companion's program. */}}
{{- define "flotta-companion.environment" -}}
- name: POD_NAMESPACE
  valueFrom: {fieldRef: {fieldPath: metadata.namespace}}
- name: POD_NAME
  valueFrom: {fieldRef: {fieldPath: metadata.name}}
{{- end }}

{{/* The backend's URL. */}}
{{- define "flotta-companion.url" -}}
{{- with .Values.remoteBackend.backend.url -}}
{{ . }}
{{- else -}}
{{ printf "%s://edge-config-server.%s.svc:%s/api/flotta-backend/v1" (ternary "http" "https" .Values.server.insecureHttp) .Release.Namespace (include "flotta-companion.devicePort" .) }}
{{- end -}}
{{- end }}

{{/* Port of the device plane. */}}
{{- define "flotta-companion.devicePort" -}}
{{ ternary "8080" "8443" .Values.server.insecureHttp }}
{{- end }}
