{{- /* What says where the database is; all that migrations read. */ -}}
{{- define "ndx-service.database" -}}
- name: {{ include "ndx-service.prefix" . }}_DATABASE_URL
  valueFrom:
    secretKeyRef:
      name: {{ include "ndx-service.secret" (dict "root" . "given" .Values.database.secret "kind" "database") }}
      key: {{ .Values.database.key }}
{{- end -}}

{{- /* What the service reads; secrets come from Secrets, files from mounts, never from values. */ -}}
{{- define "ndx-service.environment" -}}
{{- $prefix := include "ndx-service.prefix" . -}}
{{ include "ndx-service.database" . }}
{{- with .Values.database.readingKey }}
- name: {{ $prefix }}_READING_DATABASE_URL
  valueFrom:
    secretKeyRef:
      name: {{ include "ndx-service.secret" (dict "root" $ "given" $.Values.database.secret "kind" "database") }}
      key: {{ . }}
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
- {name: NDX_GATEWAY_CA_FILE, value: /etc/ndx/agency/ca.crt}
{{ include "ndx-service.surroundings" . }}
{{- range $name, $value := .Values.settings }}
- {name: {{ $name }}, value: {{ $value | quote }}}
{{- end }}
{{- end -}}

{{- /* What every part of a release is told alike. */ -}}
{{- define "ndx-service.surroundings" -}}
{{- $shared := include "ndx-service.shared" . | fromYaml -}}
- {name: NDX_GATEWAY_URL, value: {{ tpl $shared.gateway.url . | quote }}}
- {name: NDX_CITIZEN_URL, value: {{ tpl $shared.gateway.citizenUrl . | quote }}}
{{ include "ndx-service.kafka" . }}
- {name: OTEL_TRACES_EXPORTER, value: {{ $shared.traces.exporter }}}
{{- with $shared.traces.endpoint }}
- {name: OTEL_EXPORTER_OTLP_ENDPOINT, value: {{ . | quote }}}
{{- end }}
- {name: NDX_LOG_LEVEL, value: {{ $shared.logLevel }}}
{{- end -}}

{{- /* Where Kafka is, and with `tls` how one shows who one is there. */ -}}
{{- define "ndx-service.kafka" -}}
{{- $kafka := (include "ndx-service.shared" . | fromYaml).kafka -}}
- {name: KAFKA_BOOTSTRAP_SERVERS, value: {{ tpl $kafka.bootstrapServers . | quote }}}
{{- if $kafka.tls }}
- {name: KAFKA_SECURITY_PROTOCOL, value: SSL}
- {name: KAFKA_CA_FILE, value: /etc/ndx/kafka/ca.crt}
- {name: KAFKA_CERT_FILE, value: /etc/ndx/kafka/tls.crt}
- {name: KAFKA_KEY_FILE, value: /etc/ndx/kafka/tls.key}
{{- end }}
{{- end -}}

{{- define "ndx-service.kafkaMount" -}}
{{- if (include "ndx-service.shared" . | fromYaml).kafka.tls }}
- {name: kafka, mountPath: /etc/ndx/kafka, readOnly: true}
{{- end }}
{{- end -}}

{{- define "ndx-service.kafkaVolume" -}}
{{- if (include "ndx-service.shared" . | fromYaml).kafka.tls }}
- name: kafka
  secret:
    secretName: {{ include "ndx-service.secret" (dict "root" . "given" .Values.kafka.secret "kind" "kafka") }}
    defaultMode: 0440
{{- end }}
{{- end -}}

{{- /* Volumes that belong to the group already are not gone through again at each start. */ -}}
{{- define "ndx-service.podSecurity" -}}
runAsNonRoot: true
runAsUser: 10001
runAsGroup: 10001
fsGroup: 10001
fsGroupChangePolicy: OnRootMismatch
seccompProfile: {type: RuntimeDefault}
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
{{- include "ndx-service.kafkaMount" . }}
{{- with .Values.sharedFolder }}
- {name: shared, mountPath: {{ .path }}}
{{- end }}
{{- if .Values.clients }}
- {name: clients, mountPath: /etc/ndx/clients, readOnly: true}
{{- end }}
{{- end -}}

{{- define "ndx-service.volumes" -}}
- name: tls
  secret: {secretName: {{ include "ndx-service.secret" (dict "root" . "given" .Values.secrets.tls "kind" "tls") }}, defaultMode: 0440}
# It comes when the service's own system is enrolled, which it need not wait for.
- name: agency
  secret:
    secretName: {{ include "ndx-service.secret" (dict "root" . "given" .Values.secrets.agency "kind" "agency") }}
    defaultMode: 0440
    optional: true
- name: keys
  secret: {secretName: {{ include "ndx-service.secret" (dict "root" . "given" .Values.secrets.keys "kind" "keys") }}, defaultMode: 0440}
- {name: temporary, emptyDir: {sizeLimit: 1Gi}}
{{- include "ndx-service.kafkaVolume" . }}
{{- with .Values.sharedFolder }}
- {name: shared, persistentVolumeClaim: {claimName: {{ .claim }}}}
{{- end }}
{{- with .Values.clients }}
- name: clients
  {{- if .secret }}
  secret: {secretName: {{ .secret }}, items: [{key: {{ .key }}, path: clients.json}], defaultMode: 0440}
  {{- else }}
  configMap: {name: {{ .configMap }}, items: [{key: {{ .key }}, path: clients.json}]}
  {{- end }}
{{- end }}
{{- end -}}
