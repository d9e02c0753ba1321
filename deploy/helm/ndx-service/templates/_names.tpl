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

{{- /* The service's prefix of settings: POPULATION for the chart population. */ -}}
{{- define "ndx-service.prefix" -}}
{{ .Chart.Name | upper | replace "-" "_" }}
{{- end -}}
