{{- /* What the names of all objects begin with. */}}
{{- define "penstock.name" -}}
{{- .Values.fullnameOverride | default .Release.Name | trunc 50 | trimSuffix "-" -}}
{{- end -}}

{{- define "penstock.app" -}}
{{- .Values.nameOverride | default "penstock" | trunc 63 | trimSuffix "-" -}}
{{- end -}}

{{- define "penstock.serviceAccount" -}}
{{- .Values.serviceAccount.name | default (.Values.serviceAccount.create | ternary (include "penstock.name" .) "default") -}}
{{- end -}}

{{- /* The chart's own labels go over commonLabels: selectors and Helm rely on them. */}}
{{- define "penstock.labels" -}}
{{- $own := dict "app.kubernetes.io/name" (include "penstock.app" .) "app.kubernetes.io/instance" .Release.Name }}
{{- $_ := set $own "app.kubernetes.io/version" .Chart.AppVersion }}
{{- $_ := set $own "app.kubernetes.io/managed-by" .Release.Service }}
{{- $_ := set $own "helm.sh/chart" (printf "%s-%s" .Chart.Name .Chart.Version) }}
{{- merge $own .Values.commonLabels | toYaml -}}
{{- end -}}

{{- define "penstock.selector" -}}
app.kubernetes.io/name: {{ include "penstock.app" . }}
app.kubernetes.io/instance: {{ .Release.Name }}
app.kubernetes.io/component: operator
{{- end -}}

{{- define "penstock.uiSelector" -}}
app.kubernetes.io/name: {{ include "penstock.app" . }}
app.kubernetes.io/instance: {{ .Release.Name }}
app.kubernetes.io/component: ui
{{- end -}}

{{- define "penstock.image" -}}
{{- if .Values.image.digest -}}
{{ .Values.image.repository }}@{{ .Values.image.digest }}
{{- else -}}
{{ .Values.image.repository }}:{{ .Values.image.tag | default .Chart.AppVersion }}
{{- end -}}
{{- end -}}

{{- define "penstock.engineImage" -}}
{{- .Values.engine.image | default (printf "penstock/engine:%s" .Chart.AppVersion) -}}
{{- end -}}

{{- /* The administrator's template for engine pods, as JSON; empty where no value asks for one. */}}
{{- define "penstock.engineTemplate" -}}
{{- $e := .Values.engine }}
{{- $container := dict }}
{{- range $key := list "resources" "env" }}
{{- with index $e $key }}{{ $_ := set $container $key . }}{{ end }}
{{- end }}
{{- $spec := dict }}
{{- range $key := list "imagePullSecrets" "nodeSelector" "tolerations" "affinity" "priorityClassName" }}
{{- with index $e $key }}{{ $_ := set $spec $key . }}{{ end }}
{{- end }}
{{- with $e.serviceAccount.name }}{{ $_ := set $spec "serviceAccountName" . }}{{ end }}
{{- if $container }}{{ $_ := set $spec "containers" (list (merge (dict "name" "engine") $container)) }}{{ end }}
{{- $spec = mergeOverwrite $spec $e.spec }}
{{- $template := dict }}
{{- $metadata := dict }}
{{- range $key := list "labels" "annotations" }}
{{- with index $e $key }}{{ $_ := set $metadata $key . }}{{ end }}
{{- end }}
{{- with $metadata }}{{ $_ := set $template "metadata" . }}{{ end }}
{{- with $spec }}{{ $_ := set $template "spec" . }}{{ end }}
{{- if $template }}{{ $template | toJson }}{{ end }}
{{- end -}}

{{- /* What only one release of a cluster installs: say whose it is, and what to do, before Helm says it in its own words. */}}
{{- define "penstock.owned" -}}
{{- $root := index . 0 }}
{{- $object := lookup (index . 1) (index . 2) "" (index . 3) }}
{{- if $object }}
{{- $notes := $object.metadata.annotations | default dict }}
{{- $owner := index $notes "meta.helm.sh/release-name" | default "" }}
{{- $place := index $notes "meta.helm.sh/release-namespace" | default "" }}
{{- if not (and (eq $owner $root.Release.Name) (eq $place $root.Release.Namespace)) }}
{{- $what := printf "%s/%s" (index . 2 | lower) (index . 3) }}
{{- $whose := $owner | empty | ternary "is there already, of no Helm release" (printf "belongs to the release %q in namespace %q" $owner $place) }}
{{- fail (printf "\n%s %s.\n* If that one still serves this cluster, install this release without what there is once only, in namespaces of its own:\n    --set crds.enabled=false --set admissionPolicies.enabled=false --set 'namespaces={...}' --set 'engine.namespaces={...}'\n* If it is gone and left this behind, take it over, and try again:\n    kubectl annotate --overwrite %s meta.helm.sh/release-name=%s meta.helm.sh/release-namespace=%s\n    kubectl label --overwrite %s app.kubernetes.io/managed-by=Helm" $what $whose $what $root.Release.Name $root.Release.Namespace $what) }}
{{- end }}
{{- end }}
{{- end -}}
