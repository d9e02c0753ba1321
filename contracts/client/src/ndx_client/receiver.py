"""A small webhook receiver for trying out and for tests: mutual TLS, signatures checked, repeats told apart.

Not for production: it serves one request at a time and keeps ids in memory.
"""

import json
import ssl
import threading
from collections.abc import Callable, Mapping
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from ndx_contracts.signatures import SignatureInvalid

from ndx_client.feeds import read_webhook_batch

_MOST = 1_048_576
_SECONDS = 10.0
Take = Callable[[dict[str, Any]], None]


class Receiver:
    """Takes signed events at `https://<host>:<port>/` until closed."""

    def __init__(
        self,
        *,
        certificate: Path,
        key: Path,
        exchange_ca: Path,
        keys: Mapping[str, Ed25519PublicKey],
        take: Take,
        host: str = "localhost",
        port: int = 0,
    ) -> None:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(certificate, key)
        context.load_verify_locations(exchange_ca)
        context.verify_mode = ssl.CERT_REQUIRED
        seen: set[str] = set()
        receiver = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"
            timeout = _SECONDS

            def do_OPTIONS(self) -> None:
                self._answer(204)

            def do_POST(self) -> None:
                length = self.headers.get("Content-Length", "")
                if not length.isdigit() or int(length) > _MOST:
                    self._answer(413)
                    return
                body = self.rfile.read(int(length))
                try:
                    events = read_webhook_batch(receiver.url, dict(self.headers), body, keys)
                except (SignatureInvalid, ValueError, json.JSONDecodeError):
                    self._answer(401)
                    return
                for event in events:
                    if event["id"] not in seen:
                        take(event)
                        seen.add(event["id"])
                self._answer(204)

            def _answer(self, status: int) -> None:
                self.send_response(status)
                # One request per connection: the next caller need not wait for this one.
                self.send_header("Connection", "close")
                self.send_header("Content-Length", "0")
                self.end_headers()

            def log_message(self, *_: Any) -> None:
                """Say nothing: lines of a log would hold what events hold."""

        self._server = HTTPServer((host, port), Handler, bind_and_activate=True)
        self._server.socket = context.wrap_socket(
            self._server.socket, server_side=True, do_handshake_on_connect=False
        )
        self.url = f"https://{host}:{self._server.server_port}/"

    def start(self) -> None:
        """Serve in a thread of its own."""
        threading.Thread(target=self._server.serve_forever, args=(0.1,), daemon=True).start()

    def serve(self) -> None:
        """Serve until interrupted."""
        self._server.serve_forever(0.1)

    def close(self) -> None:
        """Stop."""
        self._server.shutdown()
        self._server.server_close()
