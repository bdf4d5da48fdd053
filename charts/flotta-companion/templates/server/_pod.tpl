{{/* The server's pod, the same in both kinds of workload but for where the fleet is. */}}
{{- define "flotta-companion.server.pod" -}}
{{- $postgres := eq .Values.store.kind "postgres" }}
{{- $manifests := .Values.configuration.manifests }}
{{- $configured := or $manifests.configMaps $manifests.secrets }}
metadata:
  labels:
    {{- include "flotta-companion.podLabels" (dict "root" . "name" "edge-config-server" "component" .Values.store.kind "extra" .Values.server.podLabels) | nindent 4 }}
  {{- with .Values.server.podAnnotations }}
  annotations:
    {{- toYaml . | nindent 4 }}
  {{- end }}
spec:
  serviceAccountName: edge-config-server
  automountServiceAccountToken: false
  enableServiceLinks: false
  terminationGracePeriodSeconds: {{ .Values.server.terminationGracePeriodSeconds }}
  securityContext:
    {{- include "flotta-companion.podSecurity" . | nindent 4 }}
  {{- include "flotta-companion.placement" (dict "root" . "values" .Values.server "selector" (include "flotta-companion.selector" (dict "name" "edge-config-server" "component" .Values.store.kind))) | trim | nindent 2 }}
  containers:
    - name: server
      image: {{ include "flotta-companion.image" (dict "root" . "image" .Values.server.image) }}
      imagePullPolicy: {{ .Values.server.image.pullPolicy }}
      command: [/edge-config-server]
      args:
        - serve
        - --admission=/etc/edge-config-server/tls/admission
        {{- if .Values.server.insecureHttp }}
        - --insecure-http
        {{- else }}
        - --tls-cert=/etc/edge-config-server/tls/tls.crt
        - --tls-key=/etc/edge-config-server/tls/tls.key
        - --client-ca=/etc/edge-config-server/tls/ca.crt
        - --client-pins=/etc/edge-config-server/tls/pins
        {{- end }}
        {{- if $postgres }}
        - {{ printf "--store=%s" (include "flotta-companion.server.postgres" .) | quote }}
        - --store-password-file=/etc/edge-config-server/postgres/password
        {{- end }}
        {{- if $configured }}
        - --manifests=/etc/edge-config-server/manifests
        {{- end }}
        {{- if .Values.configuration.secretKeys }}
        - --secret-keys=/etc/edge-config-server/secret-keys/keys
        {{- end }}
        {{- range $name, $value := .Values.server.settings }}
        {{- if and (kindIs "float64" $value) (eq $value (floor $value)) }}
        {{- /* Helm reads numbers as floats: 1024000 would be written 1.024e+06. */}}
        {{- $value = int64 $value }}
        {{- end }}
        - {{ printf "--%s=%v" $name $value | quote }}
        {{- end }}
      ports:
        - {name: device, containerPort: {{ include "flotta-companion.devicePort" . }}, protocol: TCP}
        - {name: ops, containerPort: 9090, protocol: TCP}
      # A store may need a while until it is open: alive from the first second, ready when devices are served.
      startupProbe: {httpGet: {path: /healthz, port: ops}, periodSeconds: 1, failureThreshold: 60}
      livenessProbe: {httpGet: {path: /healthz, port: ops}, periodSeconds: 10, timeoutSeconds: 5, failureThreshold: 3}
      readinessProbe: {httpGet: {path: /readyz, port: ops}, periodSeconds: 1, timeoutSeconds: 2, failureThreshold: 2}
      resources:
        {{- toYaml .Values.server.resources | nindent 8 }}
      securityContext:
        {{- include "flotta-companion.containerSecurity" . | nindent 8 }}
      volumeMounts:
        {{- if not $postgres }}
        - {name: fleet, mountPath: /var/lib/edge-config-server}
        {{- end }}
        # The socket of `edge-config-server device`.
        - {name: run, mountPath: /run/edge-config-server}
        # The whole folder: a file that is mounted by itself is never brought up to date.
        - {name: tls, mountPath: /etc/edge-config-server/tls, readOnly: true}
        {{- if $postgres }}
        - {name: postgres, mountPath: /etc/edge-config-server/postgres, readOnly: true}
        {{- end }}
        {{- if $configured }}
        - {name: manifests, mountPath: /etc/edge-config-server/manifests, readOnly: true}
        {{- end }}
        {{- if .Values.configuration.secretKeys }}
        - {name: secret-keys, mountPath: /etc/edge-config-server/secret-keys, readOnly: true}
        {{- end }}
  volumes:
    - name: run
      emptyDir: {medium: Memory, sizeLimit: 1Mi}
    - name: tls
      secret: {secretName: edge-config-server-tls, optional: false, defaultMode: 0440}
    {{- if $postgres }}
    - name: postgres
      projected:
        defaultMode: 0440
        sources:
          - secret:
              name: {{ .Values.store.postgres.existingSecret }}
              items:
                - {key: {{ .Values.store.postgres.existingSecretKey | quote }}, path: password}
          {{- with .Values.store.postgres.caConfigMap }}
          - configMap:
              name: {{ . }}
              items:
                - {key: {{ $.Values.store.postgres.caKey | quote }}, path: ca.crt}
          {{- end }}
    {{- end }}
    {{- if $configured }}
    # One volume, so that all of it changes at once.
    - name: manifests
      projected:
        defaultMode: 0440
        sources:
          {{- range $manifests.configMaps }}
          - configMap: {name: {{ . | quote }}, optional: false}
          {{- end }}
          {{- range $manifests.secrets }}
          - secret: {name: {{ . | quote }}, optional: false}
          {{- end }}
    {{- end }}
    {{- with .Values.configuration.secretKeys }}
    - name: secret-keys
      secret:
        secretName: {{ . | quote }}
        optional: false
        defaultMode: 0440
        items:
          - {key: {{ $.Values.configuration.secretKeysKey | quote }}, path: keys}
    {{- end }}
{{- end }}

{{/* URL of the database with how its certificate is checked. */}}
{{- define "flotta-companion.server.postgres" -}}
{{- with .Values.store.postgres -}}
{{ .url }}{{ ternary "&" "?" (contains "?" .url) }}sslmode={{ .sslmode }}{{ if .caConfigMap }}&sslrootcert=/etc/edge-config-server/postgres/ca.crt{{ end }}
{{- end -}}
{{- end }}
