{{/*
What cannot work is refused here, in a sentence. values.schema.json refuses wrong types, unknown names and values that are
none of a few; its messages for patterns help nobody, so patterns are here.
*/}}
{{- define "flotta-companion.checks" -}}
{{- $values := .Values }}
{{- if and $values.namespaceCheck (ne .Release.Namespace "flotta") }}
{{- fail (printf "namespace: the release is for namespace %q, and Flotta's Edge API works in namespace \"flotta\" alone; install with --namespace flotta, or set namespaceCheck=false for an Edge API that was built for another one" .Release.Namespace) }}
{{- end }}
{{- range $name, $image := dict "server" $values.server.image "companion" $values.companion.image }}
{{- if and $image.digest (not (regexMatch "^sha256:[0-9a-f]{64}$" $image.digest)) }}
{{- fail (printf "%s.image.digest: %q is no digest; it is sha256: and 64 hexadecimal digits" $name $image.digest) }}
{{- end }}
{{- if not $image.repository }}
{{- fail (printf "%s.image.repository: it is empty; name the image as your cluster can pull it" $name) }}
{{- end }}
{{- end }}
{{- include "flotta-companion.checks.server" . }}
{{- include "flotta-companion.checks.store" . }}
{{- include "flotta-companion.checks.remoteBackend" . }}
{{- $skip := "leave the Edge API as it is" }}
{{- if and $values.restore.skip (ne (toString $values.restore.skip) $skip) }}
{{- fail (printf "restore.skip: \"%v\" is not understood; to uninstall without rolling the Edge API back, so that its devices get errors until a backend is there again, set it to the words \"%s\"" $values.restore.skip $skip) }}
{{- end }}
{{- end }}

{{/* Settings of `edge-config-server serve`: a test compares these names with its help. */}}
{{- define "flotta-companion.settings" -}}
restored events-per-device event-bytes-per-device event-age max-strays approval permission-window unknown-key request-timeout max-body max-concurrent-requests max-connections max-handshakes handshake-timeout header-timeout idle-timeout write-timeout shutdown-timeout log-format log-level confirm-above settle-removals playbook-offers playbook-retries silent-after-periods strict unknown-fields cache request-memory
{{- end }}
{{- define "flotta-companion.settings.own" -}}
config listen ops-listen admin-socket tls-cert tls-key client-ca client-pins insecure-http store store-password-file admission
{{- end }}

{{/* Settings that name a file: no volume is mounted for one. */}}
{{- define "flotta-companion.settings.files" -}}
manifests secret-keys
{{- end }}

{{- define "flotta-companion.checks.server" -}}
{{- $known := splitList " " (include "flotta-companion.settings" .) }}
{{- $own := splitList " " (include "flotta-companion.settings.own" .) }}
{{- $files := splitList " " (include "flotta-companion.settings.files" .) }}
{{- range $name, $value := .Values.server.settings }}
{{- if has $name $files }}
{{- fail (printf "server.settings.%s: it names a file, and the chart mounts none for it; remove it here and use configuration.manifests and configuration.secretKeys" $name) }}
{{- end }}
{{- if has $name $own }}
{{- fail (printf "server.settings.%s: the chart sets it itself; remove it here and use the values server.insecureHttp and store" $name) }}
{{- end }}
{{- if not (has $name $known) }}
{{- fail (printf "server.settings.%s: there is no such setting; there are %s" $name (join ", " $known)) }}
{{- end }}
{{- if kindIs "invalid" $value }}
{{- fail (printf "server.settings.%s: it has no value; give it one or remove it" $name) }}
{{- end }}
{{- end }}
{{- end }}

{{- define "flotta-companion.checks.store" -}}
{{- $store := .Values.store }}
{{- if and (eq $store.kind "sqlite") (gt (int .Values.server.replicas) 1) }}
{{- fail (printf "server.replicas: %d servers cannot share one SQLite file; use 1, or set store.kind=postgres" (int .Values.server.replicas)) }}
{{- end }}
{{- if eq $store.kind "postgres" }}
{{- with $store.postgres }}
{{- if not (regexMatch "^postgres(ql)?://" .url) }}
{{- fail (printf "store.postgres.url: %q is no URL of a PostgreSQL database; set it to postgres://user@host:5432/database" .url) }}
{{- end }}
{{- if regexMatch "^[a-z]+://[^/@]*:[^/@]*@|[?&]password=" .url }}
{{- fail "store.postgres.url: it holds a password, which everybody who reads the Deployment would see; put the password into a Secret and name it in store.postgres.existingSecret" }}
{{- end }}
{{- if regexMatch "[?&](sslmode|sslrootcert)=" .url }}
{{- fail "store.postgres.url: sslmode and sslrootcert are values of their own; set store.postgres.sslmode and store.postgres.caConfigMap and remove them from the URL" }}
{{- end }}
{{- if not .existingSecret }}
{{- fail "store.postgres.existingSecret: it is empty; name the Secret that holds the password" }}
{{- end }}
{{- if and (hasPrefix "verify-" .sslmode) (not .caConfigMap) }}
{{- fail (printf "store.postgres.caConfigMap: it is empty, and sslmode %s checks the database's certificate against a CA; name the ConfigMap that holds it" .sslmode) }}
{{- end }}
{{- end }}
{{- end }}
{{- end }}

{{- define "flotta-companion.checks.remoteBackend" -}}
{{- with .Values.remoteBackend }}
{{- if .backend.url }}
{{- $scheme := ternary "http" "https" $.Values.server.insecureHttp }}
{{- if not (hasPrefix (printf "%s://" $scheme) .backend.url) }}
{{- fail (printf "remoteBackend.backend.url: %q does not begin with %s://, and the server serves %s; change the URL, or server.insecureHttp" .backend.url $scheme (ternary "plain HTTP (server.insecureHttp is true)" "HTTPS (server.insecureHttp is false)" $.Values.server.insecureHttp)) }}
{{- end }}
{{- if not (regexMatch "^https?://[^/?#@]+/[^?#]*[^/?#]$" .backend.url) }}
{{- fail (printf "remoteBackend.backend.url: %q is not of the form https://HOST:PORT/api/flotta-backend/v1, and the Edge API would serve no device without saying why" .backend.url) }}
{{- end }}
{{- end }}
{{- if not (regexMatch "^([0-9]+(\\.[0-9]*)?(ns|us|µs|ms|s|m|h))+$" .backend.timeout) }}
{{- fail (printf "remoteBackend.backend.timeout: %q is no Go duration with a unit, and the Edge API would not start with it; write for example 5s" .backend.timeout) }}
{{- end }}
{{- with (.paused | default dict).until }}
{{- if not (regexMatch "^[0-9]{4}-[0-9]{2}-[0-9]{2}[Tt][0-9]{2}:[0-9]{2}:[0-9]{2}(\\.[0-9]+)?([Zz]|[+-][0-9]{2}:[0-9]{2})$" (toString .)) }}
{{- fail (printf "remoteBackend.paused.until: %q is no time in the form of RFC 3339; write for example 2027-01-31T08:00:00Z, in quotes" (toString .)) }}
{{- end }}
{{- end }}
{{- end }}
{{- end }}
