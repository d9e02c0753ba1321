{{- /* What the service reads; secrets come from Secrets, files from mounts, never from values. */ -}}
{{- define "ndx-service.environment" -}}
{{- $prefix := include "ndx-service.prefix" . -}}
{{- $secret := .Values.database.secret -}}
- name: {{ $prefix }}_DATABASE_URL
  valueFrom: {secretKeyRef: {name: {{ $secret }}, key: {{ .Values.database.key }}}}
{{- with .Values.database.readingKey }}
- name: {{ $prefix }}_READING_DATABASE_URL
  valueFrom: {secretKeyRef: {name: {{ $secret }}, key: {{ . }}}}
- name: {{ $prefix }}_READING_LATE_SECONDS
  value: {{ $.Values.database.readingLateSeconds | quote }}
{{- end }}
- {name: {{ $prefix }}_DATABASE_POOL_SIZE, value: {{ .Values.database.poolSize | quote }}}
- {name: {{ $prefix }}_HOST, value: "0.0.0.0"}
- {name: {{ $prefix }}_PORT, value: {{ .Values.port | quote }}}
- {name: {{ $prefix }}_DRAIN_SECONDS, value: {{ .Values.drainSeconds | quote }}}
- {name: {{ $prefix }}_TLS_CERT_FILE, value: /etc/ndx/tls/tls.crt}
- {name: {{ $prefix }}_TLS_KEY_FILE, value: /etc/ndx/tls/tls.key}
- {name: {{ $prefix }}_TLS_CLIENT_CA_FILE, value: /etc/ndx/tls/ca.crt}
- {name: {{ $prefix }}_AGENCY_CERT_FILE, value: /etc/ndx/agency/tls.crt}
- {name: {{ $prefix }}_AGENCY_KEY_FILE, value: /etc/ndx/agency/tls.key}
- {name: {{ $prefix }}_REPLY_KEY_FILE, value: /etc/ndx/keys/replies.pem}
- {name: NDX_GATEWAY_URL, value: {{ .Values.gateway.url | quote }}}
- {name: NDX_CITIZEN_URL, value: {{ .Values.gateway.citizenUrl | quote }}}
- {name: NDX_GATEWAY_CA_FILE, value: /etc/ndx/agency/ca.crt}
- {name: KAFKA_BOOTSTRAP_SERVERS, value: {{ .Values.kafka.bootstrapServers | quote }}}
- {name: OTEL_TRACES_EXPORTER, value: {{ .Values.traces.exporter }}}
{{- with .Values.traces.endpoint }}
- {name: OTEL_EXPORTER_OTLP_ENDPOINT, value: {{ . | quote }}}
{{- end }}
- {name: NDX_LOG_LEVEL, value: {{ .Values.logLevel }}}
{{- range $name, $value := .Values.settings }}
- {name: {{ $name }}, value: {{ $value | quote }}}
{{- end }}
{{- end -}}

{{- define "ndx-service.security" -}}
allowPrivilegeEscalation: false
readOnlyRootFilesystem: true
capabilities: {drop: [ALL]}
{{- end -}}

{{- define "ndx-service.mounts" -}}
- {name: tls, mountPath: /etc/ndx/tls, readOnly: true}
- {name: agency, mountPath: /etc/ndx/agency, readOnly: true}
- {name: keys, mountPath: /etc/ndx/keys, readOnly: true}
- {name: temporary, mountPath: /tmp}
{{- with .Values.sharedFolder }}
- {name: shared, mountPath: {{ .path }}}
{{- end }}
{{- end -}}

{{- define "ndx-service.volumes" -}}
- {name: tls, secret: {secretName: {{ .Values.secrets.tls }}, defaultMode: 0440}}
- {name: agency, secret: {secretName: {{ .Values.secrets.agency }}, defaultMode: 0440}}
- {name: keys, secret: {secretName: {{ .Values.secrets.keys }}, defaultMode: 0440}}
- {name: temporary, emptyDir: {sizeLimit: 1Gi}}
{{- with .Values.sharedFolder }}
- {name: shared, persistentVolumeClaim: {claimName: {{ .claim }}}}
{{- end }}
{{- end -}}
