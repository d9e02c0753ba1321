{{- /* What everything of a service is called: the release's name if the service is all of it, else both. */ -}}
{{- define "ndx-service.name" -}}
{{- if eq .Chart.Name .Release.Name }}{{ .Release.Name }}{{ else }}{{ .Release.Name }}-{{ .Chart.Name }}{{ end -}}
{{- end -}}

{{- define "ndx-service.labels" -}}
app.kubernetes.io/name: {{ .Chart.Name }}
app.kubernetes.io/instance: {{ .Release.Name }}
app.kubernetes.io/part-of: ndx
{{- end -}}

{{- define "ndx-service.selector" -}}
app.kubernetes.io/name: {{ .root.Chart.Name }}
app.kubernetes.io/instance: {{ .root.Release.Name }}
ndx/work: {{ .work }}
{{- end -}}

{{- /* Labels of pods: those that select them, and what the policy of the whole release selects by. */ -}}
{{- define "ndx-service.podLabels" -}}
{{ include "ndx-service.selector" . }}
app.kubernetes.io/part-of: ndx
{{- end -}}

{{- /* The service's prefix of settings: POPULATION for the chart population. */ -}}
{{- define "ndx-service.prefix" -}}
{{ .Chart.Name | upper | replace "-" "_" }}
{{- end -}}

{{- /* The name of a Secret: what the values say, else that of the service with its kind. */ -}}
{{- define "ndx-service.secret" -}}
{{ .given | default (printf "%s-%s" (include "ndx-service.name" .root) .kind) }}
{{- end -}}

{{- /* What is one for all services where the umbrella's `global` says it: image, kafka, gateway, traces, logLevel. */ -}}
{{- define "ndx-service.shared" -}}
{{- $own := pick .Values "image" "kafka" "gateway" "traces" "logLevel" -}}
{{- $above := pick (.Values.global | default dict) "image" "kafka" "gateway" "traces" "logLevel" -}}
{{- toYaml (mergeOverwrite (deepCopy $own) (deepCopy $above)) -}}
{{- end -}}

{{- define "ndx-service.image" -}}
{{- $image := (include "ndx-service.shared" . | fromYaml).image -}}
{{ with $image.registry }}{{ . }}/{{ end }}{{ $image.repository }}:{{ $image.tag }}
{{- end -}}
