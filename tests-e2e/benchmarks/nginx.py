"""nginx in two roles: the provider behind the gateway, and its ceiling with mTLS, limit_req and JSON log."""

import contextlib
import os
import shutil
import socket
import subprocess
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from harness import CannotMeasure, pin

BODY = "x" * 1024
MISSING = "nginx is not installed: apt-get install nginx-light (or NDX_NGINX=/path/to/nginx)"


def program() -> str | None:
    """Return nginx's program, if there is one; Debian puts it where only root's PATH looks."""
    return os.environ.get("NDX_NGINX") or shutil.which("nginx") or shutil.which("nginx", path="/usr/sbin")


@dataclass(frozen=True, slots=True)
class Tls:
    """Files of a server: its pair, and who may call."""

    certificate: Path
    key: Path
    client_ca: Path


def _frame(folder: Path, name: str, http: str) -> str:
    return f"""
daemon off; master_process off; pid {folder}/{name}.pid; error_log {folder}/{name}.error.log;
events {{ worker_connections 8192; }}
http {{
  access_log off; client_body_temp_path {folder}; proxy_temp_path {folder};
  fastcgi_temp_path {folder}; uwsgi_temp_path {folder}; scgi_temp_path {folder};
  keepalive_requests 1000000000; keepalive_timeout 300s; default_type application/json;
  ssl_protocols TLSv1.2 TLSv1.3; ssl_session_tickets off;
{http}
}}
"""


def _tls(tls: Tls) -> str:
    return (
        f"ssl_certificate {tls.certificate}; ssl_certificate_key {tls.key};"
        f" ssl_client_certificate {tls.client_ca}; ssl_verify_client on;"
    )


def provider(folder: Path, tls: Tls, *, port: int, spans_port: int) -> str:
    """Return the provider: 1 KB to everybody with a certificate; and a place that takes spans."""
    return _frame(
        folder,
        "provider",
        f"""
  server {{ listen 127.0.0.1:{port} ssl; {_tls(tls)} location / {{ return 200 "{BODY}"; }} }}
  server {{ listen 127.0.0.1:{spans_port}; client_body_buffer_size 1m; location / {{ return 202; }} }}
""",
    )


def ceiling(folder: Path, tls: Tls, client: Tls, *, port: int, provider_port: int, provider_name: str) -> str:
    """Return a proxy with what nginx has of a gateway's duties; its log is buffered as Envoy's is."""
    fields = {
        "time": "$time_iso8601",
        "caller": "$ssl_client_s_dn",
        "operation": "$uri",
        "purpose": "$http_ndx_purpose",
        "method": "$request_method",
        "status": "$status",
        "duration": "$request_time",
        "upstream": "$upstream_response_time",
        "bytes_in": "$request_length",
        "bytes_out": "$bytes_sent",
        "request_id": "$request_id",
        "traceparent": "$http_traceparent",
    }
    line = "{" + ",".join(f'"{k}":"{v}"' for k, v in fields.items()) + "}"
    return _frame(
        folder,
        "ceiling",
        f"""
  log_format json escape=json '{line}';
  limit_req_zone $ssl_client_fingerprint zone=callers:10m rate=100000r/s;
  upstream provider {{ server 127.0.0.1:{provider_port}; keepalive 64; keepalive_requests 1000000000; }}
  server {{
    listen 127.0.0.1:{port} ssl; {_tls(tls)}
    access_log {folder}/ceiling.access.log json buffer=64k flush=1s;
    location / {{
      limit_req zone=callers burst=200000 nodelay;
      proxy_pass https://provider; proxy_http_version 1.1; proxy_set_header Connection "";
      proxy_set_header NDX-Request-Id $request_id; proxy_set_header NDX-Agency $ssl_client_s_dn;
      proxy_ssl_certificate {client.certificate}; proxy_ssl_certificate_key {client.key};
      proxy_ssl_trusted_certificate {client.client_ca}; proxy_ssl_verify on;
      proxy_ssl_server_name on; proxy_ssl_name {provider_name};
    }}
  }}
""",
    )


@contextmanager
def running(folder: Path, name: str, configuration: str, port: int, cpus: Sequence[int]) -> Iterator[int]:
    """Serve a configuration on some cores; give the process id.

    Raises:
        CannotMeasure: there is no nginx, or it does not start.
    """
    nginx = program()
    if nginx is None:
        raise CannotMeasure(MISSING)
    file = folder / f"{name}.conf"
    file.write_text(configuration)
    with (folder / f"{name}.out").open("wb") as out:
        process = subprocess.Popen([nginx, "-c", str(file), "-p", str(folder)], stdout=out, stderr=out)
    try:
        _await(process, port, folder / f"{name}.out")
        pin(process.pid, cpus)
        yield process.pid
    finally:
        process.terminate()
        process.wait(10)


def _await(process: "subprocess.Popen[bytes]", port: int, out: Path) -> None:
    deadline = time.monotonic() + 10
    while time.monotonic() < deadline:
        if process.poll() is not None:
            raise CannotMeasure(f"nginx does not start: {out.read_text().strip()[-400:]}")
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), timeout=1):
            return
        time.sleep(0.05)
    raise CannotMeasure(f"nginx does not listen on port {port}")
