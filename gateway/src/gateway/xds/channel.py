"""The way to the control plane for what runs beside an Envoy, under the Envoy's certificate."""

from pathlib import Path
from typing import Any

import grpc


def control_plane(folder: Path, address: str) -> Any:
    """Return a channel to the configuration server; nothing is connected before the first call."""
    key, certificate, anchor = (
        (folder / name).read_bytes() for name in ("xds-client.key", "xds-client.crt", "internal-ca.crt")
    )
    return grpc.aio.secure_channel(
        address,
        grpc.ssl_channel_credentials(anchor, key, certificate),
        options=[
            ("grpc.ssl_target_name_override", "xds.ndx.internal"),
            ("grpc.max_receive_message_length", -1),
            ("grpc.keepalive_time_ms", 10_000),
            ("grpc.keepalive_timeout_ms", 5_000),
        ],
    )
