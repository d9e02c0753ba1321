{{- /* Everything of one service: doors, worker, address, who may come in, and the migrations before an upgrade. */ -}}
{{- define "ndx-service.all" -}}
{{- $doors := dict "root" . "work" "doors" "of" .Values.doors -}}
{{- $worker := dict "root" . "work" "worker" "of" .Values.worker -}}
{{ include "ndx-service.deployment" $doors }}
---
{{ include "ndx-service.deployment" $worker }}
---
{{ include "ndx-service.disruption" $doors }}
---
{{ include "ndx-service.disruption" $worker }}
{{- if .Values.doors.autoscaling }}
---
{{ include "ndx-service.autoscaler" $doors }}
{{- end }}
---
# Without an address of its own: its name gives every copy, and the gateway chooses among them.
apiVersion: v1
kind: Service
metadata:
  name: {{ include "ndx-service.name" . }}
  labels: {{- include "ndx-service.labels" . | nindent 4 }}
spec:
  clusterIP: None
  # A copy that does not accept yet is tried by the gateway's own checks only.
  publishNotReadyAddresses: true
  selector: {{- include "ndx-service.selector" $doors | nindent 4 }}
  ports:
  - {name: https, port: {{ .Values.port }}, targetPort: https}
---
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata:
  name: {{ include "ndx-service.name" . }}
  labels: {{- include "ndx-service.labels" . | nindent 4 }}
spec:
  podSelector:
    matchLabels: {app.kubernetes.io/name: {{ .Chart.Name }}, app.kubernetes.io/instance: {{ .Release.Name }}}
  policyTypes: [Ingress, Egress]
  egress:
  {{- include "ndx-service.egress" . | nindent 2 }}
  - to:
    - podSelector:
        matchLabels: {app.kubernetes.io/name: envoy, app.kubernetes.io/part-of: ndx}
    ports: [{port: 8443}, {port: 8444}]
  ingress:
  {{- range .Values.callers }}
  - from:
    - podSelector:
        matchLabels: {{- toYaml .podLabels | nindent 10 }}
      {{- with .namespaceLabels }}
      namespaceSelector:
        matchLabels: {{- toYaml . | nindent 10 }}
      {{- end }}
    ports: [{port: https}]
  {{- end }}
---
{{ include "ndx-service.migrations" (dict "root" . "resources" .Values.worker.resources) }}
{{- end -}}

{{- /* Names, and what `outside` names: databases, brokers, the collector of traces. */ -}}
{{- define "ndx-service.egress" -}}
- ports: [{port: 53, protocol: UDP}, {port: 53, protocol: TCP}]
{{- range .Values.outside }}
- ports: [{port: {{ .port }}}]
  {{- with .to }}
  to: {{- toYaml . | nindent 4 }}
  {{- end }}
{{- end }}
{{- end -}}

{{- /* Tables first, before an install or upgrade; it needs the database and nothing else. */ -}}
{{- define "ndx-service.migrations" -}}
{{- $root := .root -}}
apiVersion: batch/v1
kind: Job
metadata:
  name: {{ include "ndx-service.name" $root }}-migrations
  labels: {{- include "ndx-service.labels" $root | nindent 4 }}
  annotations:
    helm.sh/hook: pre-install,pre-upgrade
    helm.sh/hook-delete-policy: before-hook-creation,hook-succeeded
spec:
  backoffLimit: 3
  template:
    metadata:
      labels: {{- include "ndx-service.podLabels" (dict "root" $root "work" "migrations") | nindent 8 }}
    spec:
      restartPolicy: Never
      automountServiceAccountToken: false
      securityContext: {{- include "ndx-service.podSecurity" . | nindent 8 }}
      containers:
      - name: migrations
        image: {{ include "ndx-service.image" $root | quote }}
        command: [python, -m, ndx_chassis.migrations, {{ $root.Values.package }}]
        env: {{- include "ndx-service.database" $root | nindent 8 }}
        resources: {{- toYaml .resources | nindent 10 }}
        securityContext: {{- include "ndx-service.security" $root | nindent 10 }}
        volumeMounts: [{name: temporary, mountPath: /tmp}]
      volumes: [{name: temporary, emptyDir: {sizeLimit: 1Gi}}]
{{- end -}}
