{{- define "gateway.envoyName" -}}
{{ .Release.Name }}-envoy
{{- end -}}

{{- define "gateway.envoySelector" -}}
app.kubernetes.io/name: envoy
app.kubernetes.io/instance: {{ .Release.Name }}
{{- end -}}

{{- define "gateway.envoyImage" -}}
{{- $image := mergeOverwrite (deepCopy .Values.envoy.image) (deepCopy (((.Values.global | default dict).image) | default dict)) -}}
{{ with $image.registry }}{{ . }}/{{ end }}{{ $image.repository }}:{{ $image.tag }}
{{- end -}}

{{- /* What control plane, Envoy's bootstrap, standby and drain must say alike. */ -}}
{{- define "gateway.shared" -}}
- {name: GATEWAY_STATE_DIR, value: /var/ndx/state}
- {name: GATEWAY_LISTENER_ADDRESS, value: "0.0.0.0"}
- {name: GATEWAY_LISTENER_PORT, value: "8443"}
- {name: GATEWAY_CITIZEN_PORT, value: "8444"}
- {name: GATEWAY_XDS_PORT, value: {{ .Values.xdsPort | quote }}}
- {name: GATEWAY_ACCESS_LOG, value: /var/ndx/log/access.log}
- {name: GATEWAY_ENVOYS, value: "{{ include "gateway.envoyName" . }}-all:8443"}
{{- with .Values.otlpAddress }}
- {name: GATEWAY_OTLP_ADDRESS, value: {{ . | quote }}}
{{- end }}
{{- end -}}

{{- define "gateway.controlPlaneEnvironment" -}}
{{- $upstreams := dict "gateway" (printf "%s:%v" (include "ndx-service.name" .) .Values.port) -}}
{{- range $name, $place := .Values.upstreams }}{{ $_ := set $upstreams $name (tpl $place $) }}{{ end -}}
{{- $envoy := include "gateway.envoyName" . -}}
{{- $hosts := concat (list $envoy (printf "%s.%s" $envoy .Release.Namespace) (printf "%s.%s.svc" $envoy .Release.Namespace)) .Values.publicHosts -}}
{{ include "ndx-service.database" . }}
- {name: GATEWAY_DATABASE_POOL_SIZE, value: {{ .Values.database.poolSize | quote }}}
- {name: GATEWAY_HOST, value: "0.0.0.0"}
- {name: GATEWAY_PORT, value: {{ .Values.port | quote }}}
- {name: GATEWAY_DRAIN_SECONDS, value: {{ .Values.drainSeconds | quote }}}
- {name: GATEWAY_XDS_ADDRESS, value: "0.0.0.0"}
- {name: GATEWAY_TLS_CERT_FILE, value: /var/ndx/state/services/gateway.crt}
- {name: GATEWAY_TLS_KEY_FILE, value: /var/ndx/state/services/gateway.key}
- {name: GATEWAY_TLS_CLIENT_CA_FILE, value: /var/ndx/state/internal-ca.crt}
- {name: GATEWAY_LEDGER_PSEUDONYM_KEY_FILE, value: /var/ndx/state/keys/ledger-pseudonym.key}
- {name: GATEWAY_LEDGER_SIGNING_KEY_FILE, value: /var/ndx/state/keys/ledger-signing.pem}
- {name: GATEWAY_UPSTREAMS, value: {{ toJson $upstreams | quote }}}
- {name: GATEWAY_PUBLIC_HOSTS, value: {{ toJson $hosts | quote }}}
{{- if .Values.controlPlane.passphraseSecret }}
- {name: GATEWAY_CA_PASSPHRASE_FILE, value: /etc/ndx/passphrase/passphrase}
{{- end }}
- {name: NDX_GATEWAY_CA_FILE, value: /var/ndx/state/gateway-ca.crt}
{{ include "gateway.shared" . }}
{{ include "ndx-service.surroundings" . }}
{{- range $name, $value := .Values.settings }}
- {name: {{ $name }}, value: {{ $value | quote }}}
{{- end }}
{{- end -}}

{{- /* What Envoy's bootstrap, its standby and its leaving are told; no secret of the control plane's. */ -}}
{{- define "gateway.envoyEnvironment" -}}
- {name: GATEWAY_NODE, valueFrom: {fieldRef: {fieldPath: metadata.name}}}
- {name: GATEWAY_XDS_ADDRESS, value: {{ include "ndx-service.name" . }}}
- {name: GATEWAY_STANDBY_PORT, value: "18001"}
- {name: GATEWAY_CONFIGURATION_FILE, value: /var/ndx/log/configuration.kept}
- {name: GATEWAY_SHIP_ACCESS_LOG, value: "true"}
- {name: GATEWAY_HEALTH_PORT, value: {{ .Values.envoy.healthPort | quote }}}
- {name: GATEWAY_HEALTH_ADDRESS, value: "0.0.0.0"}
- {name: GATEWAY_ENVOY_DRAIN_SECONDS, value: {{ .Values.envoy.drainSeconds | quote }}}
- {name: GATEWAY_ENVOY_FINISH_SECONDS, value: {{ .Values.envoy.finishSeconds | quote }}}
{{ include "gateway.shared" . }}
- {name: NDX_LOG_LEVEL, value: {{ (include "ndx-service.shared" . | fromYaml).logLevel }}}
{{- end -}}

{{- define "gateway.envoyMounts" -}}
- {name: identity, mountPath: /var/ndx/state, readOnly: true}
- {name: log, mountPath: /var/ndx/log}
- {name: run, mountPath: /var/ndx/run}
- {name: temporary, mountPath: /tmp}
{{- end -}}

{{- define "gateway.claim" -}}
accessModes: [ReadWriteOnce]
{{- with .storageClass }}
storageClassName: {{ . }}
{{- end }}
resources: {requests: {storage: {{ .size }}}}
{{- end -}}
