"""Command: format Kafka's storage once (`python -m ndx_local.kafka_format CONFIG JAVA CLASSPATH`)."""

import base64
import subprocess
import sys
import uuid
from pathlib import Path

_QUIET = """Configuration:
  Appenders:
    Console:
      name: STDOUT
      PatternLayout:
        pattern: "%d %p %m (%c)%n"
  Loggers:
    Root:
      level: WARN
      AppenderRef:
        - ref: STDOUT
"""


def main() -> int:
    """Format when the storage is new."""
    config, java, classpath = Path(sys.argv[1]), sys.argv[2], sys.argv[3]
    (config.parent / "log4j2.yaml").write_text(_QUIET)
    if (config.parent / "data" / "meta.properties").exists():
        return 0
    cluster = base64.urlsafe_b64encode(uuid.uuid4().bytes).decode().rstrip("=")
    command = [java, "-Xmx128m", "-Dorg.slf4j.simpleLogger.defaultLogLevel=warn", "-cp", classpath]
    command += ["kafka.tools.StorageTool", "format", "-t", cluster, "-c", str(config)]
    return subprocess.run(command, check=False).returncode


if __name__ == "__main__":
    raise SystemExit(main())
