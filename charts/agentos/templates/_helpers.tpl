{{/* Prefix of every name. Short enough that the longest suffix still fits a label. */}}
{{- define "agentos.prefix" -}}
{{- .Release.Name | trunc 40 | trimSuffix "-" -}}
{{- end -}}

{{- define "agentos.operator" -}}
{{- include "agentos.prefix" . }}-operator
{{- end -}}

{{- define "agentos.postgres" -}}
{{- include "agentos.prefix" . }}-postgres
{{- end -}}

{{- define "agentos.postgres.secret" -}}
{{- .Values.database.embedded.existingSecret | default (printf "%s-admin" (include "agentos.postgres" .)) -}}
{{- end -}}

{{- define "agentos.serviceAccount" -}}
{{- if .Values.serviceAccount.create -}}
{{- .Values.serviceAccount.name | default (include "agentos.operator" .) -}}
{{- else -}}
{{- required "serviceAccount.create is false: set serviceAccount.name to the ServiceAccount that exists" .Values.serviceAccount.name -}}
{{- end -}}
{{- end -}}

{{/* The role that the operator binds to itself in each workspace's Namespace. */}}
{{- define "agentos.tenantRole" -}}agentos-operator-tenant{{- end -}}

{{/* The role of a workspace's people that spec.members names, in lower case. */}}
{{- define "agentos.memberRole" -}}agentos-member-{{ . }}{{- end -}}

{{- define "agentos.selector.operator" -}}
app.kubernetes.io/name: agentos-operator
app.kubernetes.io/instance: {{ .Release.Name }}
{{- end -}}

{{- define "agentos.selector.postgres" -}}
app.kubernetes.io/name: agentos-postgres
app.kubernetes.io/instance: {{ .Release.Name }}
{{- end -}}

{{/* Labels of everything that is no pod; those of pods are their selector, so that an upgrade restarts nothing. */}}
{{- define "agentos.labels" -}}
helm.sh/chart: {{ .Chart.Name }}-{{ .Chart.Version }}
app.kubernetes.io/part-of: agentos
app.kubernetes.io/instance: {{ .Release.Name }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
{{- end -}}

{{- define "agentos.evaluationOnly" -}}
agentos.hyvve.io/evaluation-only: "One pod without backups or TLS. Use a PostgreSQL of your own in production: see docs/install.md."
{{- end -}}

{{/* An image reference of {repository, tag, digest}; call with (dict "image" … "version" …). */}}
{{- define "agentos.image" -}}
{{- if .image.digest -}}
{{- .image.repository }}@{{ .image.digest }}
{{- else -}}
{{- .image.repository }}:{{ .image.tag | default .version }}
{{- end -}}
{{- end -}}

{{/* Whether one Ingress for /api serves all deployments, because they share a host. */}}
{{- define "agentos.api.sharedIngress" -}}
{{- and (not (empty .Values.routing.api)) (eq .Values.routing.mode "Ingress") (eq .Values.routing.addressing "Path") -}}
{{- end -}}

{{/* What values.schema.json cannot say, each with what to do. Included by the configuration, which is always made. */}}
{{- define "agentos.validate" -}}
{{- $servers := .Values.database.servers -}}
{{- if and (not $servers) (not .Values.database.embedded.enabled) -}}
{{- fail "database.embedded.enabled is false and database.servers is empty: name a PostgreSQL server in database.servers, or enable the embedded one for an evaluation" -}}
{{- end -}}
{{- $seen := ternary (list "default") (list) .Values.database.embedded.enabled -}}
{{- range $index, $server := $servers -}}
{{- if has $server.name $seen -}}
{{- if and (eq $server.name "default") $.Values.database.embedded.enabled -}}
{{- fail (printf "database.servers[%d].name is default, which is the embedded PostgreSQL: set database.embedded.enabled to false or give the server another name" $index) -}}
{{- end -}}
{{- fail (printf "database.servers[%d].name is %s, as another server's: each needs a name of its own" $index $server.name) -}}
{{- end -}}
{{- $seen = append $seen $server.name -}}
{{- if and $server.ca (eq (empty $server.ca.configMap) (empty $server.ca.secret)) -}}
{{- fail (printf "database.servers[%d].ca: name either a configMap or a secret with the certificate authorities" $index) -}}
{{- end -}}
{{- if and (has ($server.sslMode | default "") (list "verify-ca" "verify-full")) (not $server.ca) -}}
{{- fail (printf "database.servers[%d].sslMode is %s: name the certificate authorities to trust in database.servers[%d].ca" $index $server.sslMode $index) -}}
{{- end -}}
{{- $network := $server.network | default dict -}}
{{- if and $network.namespace $network.cidrs -}}
{{- fail (printf "database.servers[%d].network: give either namespace (and podLabels), for a server in this cluster, or cidrs, for one outside, or neither to have it found out from the host" $index) -}}
{{- end -}}
{{- if and $network.podLabels (not $network.namespace) -}}
{{- fail (printf "database.servers[%d].network.podLabels narrows a namespace: give network.namespace too" $index) -}}
{{- end -}}
{{- end -}}
{{- if and .Values.metrics.podLabels (not .Values.metrics.namespace) -}}
{{- fail "metrics.podLabels narrows a namespace: give metrics.namespace too" -}}
{{- end -}}
{{- if and .Values.network.dns.podLabels (not .Values.network.dns.namespace) -}}
{{- fail "network.dns.podLabels narrows a namespace: give network.dns.namespace too" -}}
{{- end -}}
{{- if and (eq .Values.routing.mode "Ingress") (empty .Values.routing.sourceNamespaces) -}}
{{- fail "routing.mode is Ingress: name the namespaces of the Ingress controller's pods in routing.sourceNamespaces, or no request is let in" -}}
{{- end -}}
{{- $ingress := .Values.routing.ingress -}}
{{- if ne (eq $ingress.certificate "Secret") (not (empty $ingress.secretName)) -}}
{{- fail "routing.ingress.secretName names the Secret of routing.ingress.certificate: Secret; give both or neither" -}}
{{- end -}}
{{- if and (eq .Values.routing.mode "Ingress") (ne $ingress.certificate "None") (eq .Values.routing.scheme "http") -}}
{{- fail "routing.ingress.certificate is set, so callers come by https: set routing.scheme to https" -}}
{{- end -}}
{{- end -}}
