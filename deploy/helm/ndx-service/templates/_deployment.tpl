{{- /* One kind of process of the service: `work` names it, `of` holds its values (roles, replicas, resources). */ -}}
{{- define "ndx-service.deployment" -}}
{{- $root := .root -}}
apiVersion: apps/v1
kind: Deployment
metadata:
  name: {{ include "ndx-service.name" $root }}-{{ .work }}
  labels: {{- include "ndx-service.labels" $root | nindent 4 }}
spec:
  {{- if not .of.autoscaling }}
  replicas: {{ .of.replicas }}
  {{- end }}
  strategy: {type: RollingUpdate, rollingUpdate: {maxUnavailable: 0, maxSurge: 1}}
  selector:
    matchLabels: {{- include "ndx-service.selector" . | nindent 6 }}
  template:
    metadata:
      labels: {{- include "ndx-service.podLabels" . | nindent 8 }}
    spec:
      automountServiceAccountToken: false
      # Leaving, and then the calls that run.
      terminationGracePeriodSeconds: {{ add $root.Values.drainSeconds 15 }}
      securityContext: {{- include "ndx-service.podSecurity" . | nindent 8 }}
      topologySpreadConstraints:
      - maxSkew: 1
        topologyKey: {{ $root.Values.spread.topologyKey }}
        whenUnsatisfiable: {{ $root.Values.spread.whenUnsatisfiable }}
        labelSelector:
          matchLabels: {{- include "ndx-service.selector" . | nindent 12 }}
      containers:
      - name: service
        image: {{ include "ndx-service.image" $root | quote }}
        command: [python, -m, {{ $root.Values.package }}.main]
        env:
        - {name: {{ include "ndx-service.prefix" $root }}_WORKERS_ROLES, value: {{ .of.roles | quote }}}
        {{- include "ndx-service.environment" $root | nindent 8 }}
        ports:
        - {name: https, containerPort: {{ $root.Values.port }}}
        # The door asks for a client certificate, which a kubelet has not. Whether a copy gets calls is decided
        # by the gateway, which asks each for /health/ready once a second.
        startupProbe: {tcpSocket: {port: https}, periodSeconds: 2, failureThreshold: 60}
        livenessProbe: {tcpSocket: {port: https}, periodSeconds: 10, failureThreshold: 6}
        readinessProbe: {tcpSocket: {port: https}, periodSeconds: 5}
        resources: {{- toYaml .of.resources | nindent 10 }}
        securityContext: {{- include "ndx-service.security" $root | nindent 10 }}
        volumeMounts: {{- include "ndx-service.mounts" $root | nindent 8 }}
      volumes: {{- include "ndx-service.volumes" $root | nindent 6 }}
{{- end -}}

{{- define "ndx-service.disruption" -}}
apiVersion: policy/v1
kind: PodDisruptionBudget
metadata:
  name: {{ include "ndx-service.name" .root }}-{{ .work }}
  labels: {{- include "ndx-service.labels" .root | nindent 4 }}
spec:
  maxUnavailable: 1
  selector:
    matchLabels: {{- include "ndx-service.selector" . | nindent 6 }}
{{- end -}}

{{- define "ndx-service.autoscaler" -}}
apiVersion: autoscaling/v2
kind: HorizontalPodAutoscaler
metadata:
  name: {{ include "ndx-service.name" .root }}-{{ .work }}
  labels: {{- include "ndx-service.labels" .root | nindent 4 }}
spec:
  scaleTargetRef: {apiVersion: apps/v1, kind: Deployment, name: {{ include "ndx-service.name" .root }}-{{ .work }}}
  minReplicas: {{ .of.autoscaling.minReplicas }}
  maxReplicas: {{ .of.autoscaling.maxReplicas }}
  metrics:
  - type: Resource
    resource: {name: cpu, target: {type: Utilization, averageUtilization: {{ .of.autoscaling.cpuPercent }}}}
{{- end -}}
