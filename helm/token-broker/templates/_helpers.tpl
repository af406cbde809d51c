{{- define "token-broker.name" -}}
{{- default .Chart.Name .Values.nameOverride | trunc 63 | trimSuffix "-" }}
{{- end }}

{{- define "token-broker.fullname" -}}
{{- if .Values.fullnameOverride }}
{{- .Values.fullnameOverride | trunc 52 | trimSuffix "-" }}
{{- else if contains (include "token-broker.name" .) .Release.Name }}
{{- .Release.Name | trunc 52 | trimSuffix "-" }}
{{- else }}
{{- printf "%s-%s" .Release.Name (include "token-broker.name" .) | trunc 52 | trimSuffix "-" }}
{{- end }}
{{- end }}

{{- define "token-broker.selectorLabels" -}}
app.kubernetes.io/name: {{ include "token-broker.name" . }}
app.kubernetes.io/instance: {{ .Release.Name }}
{{- end }}

{{- define "token-broker.labels" -}}
helm.sh/chart: {{ printf "%s-%s" .Chart.Name .Chart.Version | replace "+" "_" | trunc 63 | trimSuffix "-" }}
{{ include "token-broker.selectorLabels" . }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
{{- with .Values.commonLabels }}
{{ toYaml . }}
{{- end }}
{{- end }}

{{- define "token-broker.serviceAccountName" -}}
{{- if .Values.serviceAccount.create }}
{{- default (include "token-broker.fullname" .) .Values.serviceAccount.name }}
{{- else }}
{{- default "default" .Values.serviceAccount.name }}
{{- end }}
{{- end }}

{{- define "token-broker.image" -}}
{{- $image := .Values.image }}
{{- with $image.registry }}{{ . }}/{{ end }}{{ $image.repository }}
{{- if $image.digest }}@{{ $image.digest }}{{ else }}:{{ default .Chart.AppVersion $image.tag }}{{ end }}
{{- end }}

{{- define "token-broker.secretName" -}}
{{- default (include "token-broker.fullname" .) .Values.existingSecret }}
{{- end }}

{{- define "token-broker.isEmbedded" -}}
{{- if eq .Values.store.kind "embedded" }}true{{ end }}
{{- end }}

{{- /* A duration such as "90s" or "2m" in whole seconds, rounded up. */}}
{{- define "token-broker.seconds" -}}
{{- $number := regexFind "^[0-9]+" . | int }}
{{- $unit := regexFind "[a-z]+$" . }}
{{- if eq $unit "ms" }}{{ div (add $number 999) 1000 }}
{{- else if eq $unit "s" }}{{ $number }}
{{- else if eq $unit "m" }}{{ mul $number 60 }}
{{- else }}{{ mul $number 3600 }}
{{- end }}
{{- end }}

{{- /* A value as TOML. YAML's numbers arrive as floats: whole ones become integers again. */}}
{{- define "token-broker.toml" -}}
{{- if kindIs "slice" . -}}
[{{ range $index, $item := . }}{{ if $index }}, {{ end }}{{ include "token-broker.toml" $item }}{{ end }}]
{{- else if or (kindIs "float64" .) (kindIs "int64" .) (kindIs "int" .) -}}
{{- if eq (float64 (int64 .)) (float64 .) }}{{ int64 . }}{{ else }}{{ . }}{{ end }}
{{- else -}}
{{ toJson . }}
{{- end }}
{{- end }}

{{- /* The sections of the configuration, as JSON. */}}
{{- define "token-broker.sections" -}}
{{- $sections := deepCopy .Values.config }}
{{- $server := merge (dict "listen" "0.0.0.0:8080" "ops_listen" "0.0.0.0:9090" "lame_duck" .Values.shutdown.lameDuck "drain" .Values.shutdown.drain) (default dict $sections.server) }}
{{- $store := merge (dict "kind" .Values.store.kind "namespace" .Values.store.namespace) (default dict $sections.store) }}
{{- if include "token-broker.isEmbedded" . }}
{{- $_ := set $store "path" "/var/lib/token-broker/token-broker.redb" }}
{{- end }}
{{- if .Values.store.url }}
{{- $_ := set $store "url" .Values.store.url }}
{{- end }}
{{- if .Values.store.tls.existingSecret }}
{{- $_ := set $store "ca_file" "/run/secrets/redis-tls/ca.crt" }}
{{- if .Values.store.tls.clientCertificate }}
{{- $_ := set $store "client_cert_file" "/run/secrets/redis-tls/tls.crt" }}
{{- $_ := set $store "client_key_file" "/run/secrets/redis-tls/tls.key" }}
{{- end }}
{{- end }}
{{- if .Values.tls.existingSecret }}
{{- $_ := set $server "tls_cert_file" "/run/secrets/api-tls/tls.crt" }}
{{- $_ := set $server "tls_key_file" "/run/secrets/api-tls/tls.key" }}
{{- end }}
{{- $sections = merge (dict "server" $server "store" $store) $sections }}
{{- toJson $sections }}
{{- end }}

{{- /* What of them holds only after a restart. */}}
{{- define "token-broker.restarting" -}}
{{- $sections := include "token-broker.sections" . | fromJson }}
{{- list $sections.server $sections.store $sections.upstream $sections.gateway $sections.traces (omit (default dict $sections.log) "level") | toJson }}
{{- end }}

{{- /* What a schema cannot say with its reason. */}}
{{- define "token-broker.validate" -}}
{{- if include "token-broker.isEmbedded" . }}
{{- if or .Values.autoscaling.enabled (gt (int .Values.replicaCount) 1) }}
{{- fail "store.kind \"embedded\" is a file of one process: replicaCount must be 1 and autoscaling off. For more replicas use store.kind \"redis\"." }}
{{- end }}
{{- end }}
{{- if and (include "token-broker.isEmbedded" .) (or .Values.store.url .Values.store.tls.existingSecret) }}
{{- fail "store.url and store.tls are about Redis; store.kind is \"embedded\"" }}
{{- end }}
{{- if and .Values.store.tls.clientCertificate (not .Values.store.tls.existingSecret) }}
{{- fail "store.tls.clientCertificate needs store.tls.existingSecret, which holds it" }}
{{- end }}
{{- if and .Values.store.tls.existingSecret .Values.store.url (not (hasPrefix "rediss" .Values.store.url)) }}
{{- fail "store.tls needs a rediss:// URL in store.url" }}
{{- end }}
{{- if and .Values.existingSecret .Values.secrets }}
{{- fail "give either existingSecret or secrets, not both" }}
{{- end }}
{{- if not (or .Values.existingSecret .Values.secrets) }}
{{- fail "existingSecret is missing: the name of a secret with each app's AppSecret under its appid, and the URL of Redis under store.urlKey" }}
{{- end }}
{{- if not .Values.callers }}
{{- fail "callers is empty: anyone could read every token. `token-broker key new ID` makes a key and its hash." }}
{{- end }}
{{- if and .Values.metrics.serviceMonitor.enabled .Values.metrics.podMonitor.enabled }}
{{- fail "enable either metrics.serviceMonitor or metrics.podMonitor: with both each replica counts twice" }}
{{- end }}
{{- end }}
