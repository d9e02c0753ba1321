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
  name: {{ .Release.Name }}
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
  name: {{ .Release.Name }}
  labels: {{- include "ndx-service.labels" . | nindent 4 }}
spec:
  podSelector:
    matchLabels: {app.kubernetes.io/name: {{ .Chart.Name }}, app.kubernetes.io/instance: {{ .Release.Name }}}
  policyTypes: [Ingress]
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
apiVersion: batch/v1
kind: Job
metadata:
  name: {{ .Release.Name }}-migrations
  labels: {{- include "ndx-service.labels" . | nindent 4 }}
  annotations:
    helm.sh/hook: pre-install,pre-upgrade
    helm.sh/hook-delete-policy: before-hook-creation,hook-succeeded
spec:
  backoffLimit: 3
  template:
    metadata:
      labels: {{- include "ndx-service.labels" . | nindent 8 }}
    spec:
      restartPolicy: Never
      automountServiceAccountToken: false
      securityContext: {runAsNonRoot: true, runAsUser: 10001, fsGroup: 10001, seccompProfile: {type: RuntimeDefault}}
      containers:
      - name: migrations
        image: "{{ .Values.image.repository }}:{{ .Values.image.tag }}"
        command: [python, -m, ndx_chassis.migrations, {{ .Values.package }}]
        env: {{- include "ndx-service.environment" . | nindent 8 }}
        resources: {{- toYaml .Values.worker.resources | nindent 10 }}
        securityContext: {{- include "ndx-service.security" . | nindent 10 }}
        volumeMounts: {{- include "ndx-service.mounts" . | nindent 8 }}
      volumes: {{- include "ndx-service.volumes" . | nindent 6 }}
{{- end -}}
