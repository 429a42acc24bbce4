{{/* Names, labels, and common parts of every pod of the chart. */}}

{{- define "penstock.name" -}}
{{- default .Chart.Name .Values.nameOverride | trunc 40 | trimSuffix "-" }}
{{- end }}

{{- define "penstock.fullname" -}}
{{- if .Values.fullnameOverride }}
{{- .Values.fullnameOverride | trunc 40 | trimSuffix "-" }}
{{- else if contains (include "penstock.name" .) .Release.Name }}
{{- .Release.Name | trunc 40 | trimSuffix "-" }}
{{- else }}
{{- printf "%s-%s" .Release.Name (include "penstock.name" .) | trunc 40 | trimSuffix "-" }}
{{- end }}
{{- end }}

{{/* The labels that a selector may use: they never change. Takes (list $ "component"). */}}
{{- define "penstock.selectorLabels" -}}
{{- $root := index . 0 -}}
app.kubernetes.io/name: {{ include "penstock.name" $root }}
app.kubernetes.io/instance: {{ $root.Release.Name }}
app.kubernetes.io/component: {{ index . 1 }}
{{- end }}

{{/* Labels of every object. Takes (list $ "component"), and further labels as a third item. Each key once: selectors and
Helm's own labels keep the chart's value, for all others the user's value wins. */}}
{{- define "penstock.labels" -}}
{{- $root := index . 0 -}}
{{- $own := include "penstock.selectorLabels" . | fromYaml -}}
{{- $_ := set $own "app.kubernetes.io/managed-by" $root.Release.Service -}}
{{- $others := dict "app.kubernetes.io/version" $root.Chart.AppVersion "app.kubernetes.io/part-of" "penstock" -}}
{{- $_ := set $others "helm.sh/chart" (printf "%s-%s" $root.Chart.Name $root.Chart.Version | replace "+" "_") -}}
{{- $further := dict -}}
{{- if gt (len .) 2 }}{{ $further = index . 2 }}{{ end -}}
{{- merge (dict) $own $further $root.Values.commonLabels $others | toYaml -}}
{{- end }}

{{/* Takes (list $ .image): registry, repository, and digest or tag. An image without a registry of its own is built
with Penstock's. `global.imageRegistry` is a mirror of all images. */}}
{{- define "penstock.image" -}}
{{- $root := index . 0 -}}
{{- $image := index . 1 -}}
{{- $registry := ternary $image.registry $root.Values.image.registry (hasKey $image "registry") -}}
{{- with $registry | default (dig "imageRegistry" "" ($root.Values.global | default dict)) }}{{ . | trimSuffix "/" }}/{{ end -}}
{{- $image.repository -}}
{{- if $image.digest }}@{{ $image.digest }}{{ else }}:{{ $image.tag | default $root.Chart.AppVersion }}{{ end -}}
{{- end }}

{{/* The pull secrets of a component as a JSON list. Takes (list $ .Values.<component>). */}}
{{- define "penstock.pullSecrets" -}}
{{- $root := index . 0 -}}
{{- $own := dig "image" "pullSecrets" list (index . 1) -}}
{{- $own | default $root.Values.imagePullSecrets | default (dig "imagePullSecrets" list ($root.Values.global | default dict)) | toJson -}}
{{- end }}

{{/* The requirements of the `restricted` Pod Security level, and a read-only file system. Takes (list $ "component"). */}}
{{- define "penstock.podSecurityContext" -}}
{{- $root := index . 0 -}}
runAsNonRoot: true
{{- with $root.Values.podSecurityContext.runAsUser }}
runAsUser: {{ int64 . }}
{{- end }}
{{- if not (kindIs "invalid" $root.Values.podSecurityContext.runAsGroup) }}
runAsGroup: {{ int64 $root.Values.podSecurityContext.runAsGroup }}
{{- end }}
{{- if and (eq (index . 1) "nats") (not (kindIs "invalid" $root.Values.podSecurityContext.fsGroup)) }}
fsGroup: {{ int64 $root.Values.podSecurityContext.fsGroup }}
fsGroupChangePolicy: OnRootMismatch
{{- end }}
seccompProfile: { type: RuntimeDefault }
{{- end }}

{{- define "penstock.containerSecurityContext" -}}
allowPrivilegeEscalation: false
readOnlyRootFilesystem: true
capabilities: { drop: [ALL] }
{{- end }}

{{/* The head of every pod's spec. Takes (list $ "component" .Values.<component>). */}}
{{- define "penstock.pod" -}}
{{- $root := index . 0 -}}
{{- $values := index . 2 -}}
enableServiceLinks: false
securityContext:
  {{- include "penstock.podSecurityContext" . | nindent 2 }}
{{- with include "penstock.pullSecrets" (list $root $values) | fromJsonArray }}
imagePullSecrets:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- with $values.nodeSelector }}
nodeSelector:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- with $values.tolerations }}
tolerations:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- with $values.affinity }}
affinity:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- with $values.priorityClassName }}
priorityClassName: {{ . }}
{{- end }}
{{- end }}

{{/* Spread over nodes and zones where there are several. Takes (list $ "component"). */}}
{{- define "penstock.spread" -}}
{{- $labels := include "penstock.selectorLabels" . -}}
topologySpreadConstraints:
  {{- range list "kubernetes.io/hostname" "topology.kubernetes.io/zone" }}
  - maxSkew: 1
    topologyKey: {{ . }}
    whenUnsatisfiable: ScheduleAnyway
    labelSelector:
      matchLabels:
        {{- $labels | nindent 8 }}
  {{- end }}
{{- end }}

{{/* Labels of a pod: none that a new version of the chart changes, or each upgrade would restart the broker.
Takes (list $ "component" .Values.<component>). */}}
{{- define "penstock.podLabels" -}}
{{- $root := index . 0 -}}
{{- $own := include "penstock.selectorLabels" . | fromYaml -}}
{{- $part := dict "app.kubernetes.io/part-of" "penstock" -}}
{{- merge (dict) $own (dig "podLabels" dict (index . 2)) $root.Values.commonLabels $part | toYaml -}}
{{- end }}

{{/* Labels and annotations of a pod. Takes (list $ "component" .Values.<component>). */}}
{{- define "penstock.podMetadata" -}}
{{- $values := index . 2 -}}
labels:
  {{- include "penstock.podLabels" . | nindent 2 }}
{{- $annotations := $values.podAnnotations | default dict }}
{{- $root := index . 0 }}
{{- if and $root.Values.nats.auth.rotation (has (index . 1) (list "gateway" "operator")) }}
{{- /* What is mounted is read at the start. */}}
{{- $annotations = merge (dict "penstock.dev/nats-keys" $root.Values.nats.auth.rotation) $annotations }}
{{- end }}
{{- with $annotations }}
annotations:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- end }}

{{- define "penstock.tmp" -}}
- name: tmp
  emptyDir: { sizeLimit: 64Mi }
{{- end }}

{{/* The Secret with the first API key and the admin API's token. */}}
{{- define "penstock.authSecret" -}}
{{- .Values.gateway.auth.existingSecret | default (printf "%s-auth" (include "penstock.fullname" .)) -}}
{{- end }}

{{/* The broker as every pod reaches it, whatever its namespace. */}}
{{- define "penstock.natsUrl" -}}
{{- if .Values.nats.enabled -}}
nats://{{ include "penstock.fullname" . }}-nats.{{ .Release.Namespace }}.svc:4222
{{- else -}}
{{- required "nats.enabled is false: set nats.external.url to a NATS server with JetStream" .Values.nats.external.url -}}
{{- end -}}
{{- end }}

{{/* The broker's ports, as a JSON list: an external one may have several addresses. */}}
{{- define "penstock.natsPorts" -}}
{{- $ports := list -}}
{{- range splitList "," (include "penstock.natsUrl" .) -}}
{{- $ports = append $ports ((urlParse .).host | regexFind ":[0-9]+$" | trimPrefix ":" | default "4222" | int) -}}
{{- end -}}
{{- $ports | uniq | toJson -}}
{{- end }}

{{/* The pod's spec with the user's parts. Takes (list .Values.<component> "spec as YAML"). What Kubernetes merges by a name
must not be there twice: an apply fails then, after half of the upgrade. */}}
{{- define "penstock.withParts" -}}
{{- $values := index . 0 -}}
{{- $spec := index . 1 | fromYaml -}}
{{- $container := first $spec.containers -}}
{{- $_ := set $container "volumeMounts" (concat $container.volumeMounts $values.volumeMounts) -}}
{{- if $values.envFrom }}{{ $_ := set $container "envFrom" $values.envFrom }}{{ end -}}
{{- $_ := set $spec "volumes" (concat ($spec.volumes | default list) $values.volumes) -}}
{{- $_ := set $spec "containers" (concat $spec.containers $values.extraContainers) -}}
{{- if $values.initContainers }}{{ $_ := set $spec "initContainers" $values.initContainers }}{{ end -}}
{{- include "penstock.unique" (list "variable" $container.env) -}}
{{- include "penstock.unique" (list "volume" $spec.volumes) -}}
{{- include "penstock.unique" (list "container" (concat $spec.containers $values.initContainers)) -}}
{{- merge (dict) $values.podSpec $spec | toYaml -}}
{{- end }}

{{- define "penstock.unique" -}}
{{- $kind := index . 0 -}}
{{- $names := dict -}}
{{- range index . 1 -}}
{{- if hasKey $names .name }}{{ fail (printf "the %s %s is set twice: by the chart, or by two of your values" $kind .name) }}{{ end -}}
{{- $_ := set $names .name true -}}
{{- end -}}
{{- end }}

{{/* Takes (list $ "component" .Values.<component>). */}}
{{- define "penstock.serviceAccount" -}}
{{- (index . 2).serviceAccountName | default (printf "%s-%s" (include "penstock.fullname" (index . 0)) (index . 1)) -}}
{{- end }}

{{/* The namespaces whose routes are served, as a JSON list. */}}
{{- define "penstock.namespaces" -}}
{{- .Values.operator.namespaces | default (list .Release.Namespace) | toJson -}}
{{- end }}

{{/* Namespaces that may have workers, as a JSON list of label selectors. */}}
{{- define "penstock.namespaceSelectors" -}}
{{- $listed := dict "key" "kubernetes.io/metadata.name" "operator" "In" "values" (include "penstock.namespaces" . | fromJsonArray) -}}
{{- $selectors := list (dict "matchExpressions" (list $listed)) -}}
{{- if eq .Values.operator.watchNamespaces "All" -}}
{{- $selectors = list dict -}}
{{- else if eq .Values.operator.watchNamespaces "Selected" -}}
{{- $selectors = append $selectors .Values.operator.namespaceSelector -}}
{{- end -}}
{{- toJson $selectors -}}
{{- end }}

{{/* The label selector of the served namespaces as the API server takes it in a query; empty for none. */}}
{{- define "penstock.namespaceQuery" -}}
{{- if eq .Values.operator.watchNamespaces "Selected" -}}
{{- $parts := list -}}
{{- range $key, $value := .Values.operator.namespaceSelector.matchLabels -}}
{{- $parts = append $parts (printf "%s=%s" $key $value) -}}
{{- end -}}
{{- range .Values.operator.namespaceSelector.matchExpressions -}}
{{- $negated := has .operator (list "NotIn" "DoesNotExist") -}}
{{- if has .operator (list "In" "NotIn") -}}
{{- if not .values }}{{ fail (printf "operator.namespaceSelector: %s of %s needs values" .operator .key) }}{{ end -}}
{{- $parts = append $parts (printf "%s %s (%s)" .key (ternary "notin" "in" $negated) (join "," .values)) -}}
{{- else -}}
{{- $parts = append $parts (printf "%s%s" (ternary "!" "" $negated) .key) -}}
{{- end -}}
{{- end -}}
{{- if not $parts }}{{ fail "operator.watchNamespaces is Selected: set operator.namespaceSelector, or use All" }}{{ end -}}
{{- join "," $parts -}}
{{- end -}}
{{- end }}

{{- define "penstock.ipFamilies" -}}
ipFamilyPolicy: PreferDualStack
{{- end }}

{{/* Whether the broker requires credentials: the chart's own, or an external one with a Secret of users. */}}
{{- define "penstock.natsAuth" -}}
{{- if .Values.nats.enabled }}{{ .Values.nats.auth.enabled }}{{ else }}{{ ne .Values.nats.auth.existingSecret "" }}{{ end -}}
{{- end }}

{{/* Whether the Job of nats/keys.yaml makes the keys. */}}
{{- define "penstock.natsKeysMade" -}}
{{- and .Values.nats.enabled .Values.nats.auth.enabled (not .Values.nats.auth.existingSecret) -}}
{{- end }}

{{/* The Secret with the keys of the broker and the credentials of operator and gateways. */}}
{{- define "penstock.natsKeys" -}}
{{- .Values.nats.auth.existingSecret | default (printf "%s-nats-keys" (include "penstock.fullname" .)) -}}
{{- end }}

{{/* The Secret with the broker's admin user, for backups. No pod mounts it. */}}
{{- define "penstock.natsAdmin" -}}
{{- printf "%s-nats-admin" (include "penstock.fullname" .) -}}
{{- end }}

{{/* The files of it that one component may mount. Takes (list $ "file"…). */}}
{{- define "penstock.natsVolume" -}}
{{- $root := index . 0 -}}
{{- if eq (include "penstock.natsAuth" $root) "true" }}
- name: nats
  secret:
    secretName: {{ include "penstock.natsKeys" $root }}
    items:
      {{- range rest . }}
      - { key: {{ . }}, path: {{ . }} }
      {{- end }}
{{- end }}
{{- end }}

{{/* Bytes of a quantity: takes "512Mi". */}}
{{- define "penstock.bytes" -}}
{{- $factors := dict "Ki" 1024 "Mi" 1048576 "Gi" 1073741824 "Ti" 1099511627776 -}}
{{- mul (regexFind "^[0-9]+" .) (get $factors (regexFind "[A-Z]i$" .)) -}}
{{- end }}

{{/*
Bytes that the queues of all routes may reserve: of the queues' store, what the other streams leave (288Mi of memory;
400Mi and the usage records of the disk), but at least a quarter. Empty for none.
*/}}
{{- define "penstock.queuesBytes" -}}
{{- $of := .Values.nats.jetstream -}}
{{- if .Values.nats.jetstream.queuesMax -}}
{{- include "penstock.bytes" .Values.nats.jetstream.queuesMax -}}
{{- else if .Values.nats.enabled -}}
{{- $memory := eq $of.storage "memory" -}}
{{- $all := include "penstock.bytes" (ternary $of.memoryMax $of.fileMax $memory) | int64 -}}
{{- $others := ternary 301989888 (add 419430400 (include "penstock.usageBytes" . | int64)) $memory -}}
{{- max (sub $all $others) (div $all (ternary 4 16 $memory)) -}}
{{- end -}}
{{- end }}

{{/* Addresses of the servers' monitoring endpoints. */}}
{{- define "penstock.natsMonitors" -}}
{{- $name := printf "%s-nats" (include "penstock.fullname" .) -}}
{{- $namespace := .Release.Namespace -}}
{{- range $number := until (int .Values.nats.replicas) -}}
{{- if $number }},{{ end -}}
http://{{ $name }}-{{ $number }}.{{ $name }}-headless.{{ $namespace }}.svc:8222
{{- end -}}
{{- end }}

{{/* The bound of usage records, which must fit into fileMax. */}}
{{- define "penstock.usageBytes" -}}
{{- $bytes := include "penstock.bytes" .Values.nats.jetstream.usageMax -}}
{{- if and .Values.nats.enabled (gt (add $bytes 268435456) (include "penstock.bytes" .Values.nats.jetstream.fileMax | int64)) -}}
{{- fail "nats.jetstream.usageMax must leave 256Mi of nats.jetstream.fileMax for keys, limits and queues" -}}
{{- end -}}
{{- $bytes -}}
{{- end }}
