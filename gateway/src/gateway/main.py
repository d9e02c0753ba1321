"""Starts the control plane: `python -m gateway.main`."""

from ndx_chassis.server import run

from gateway.app import create_app
from gateway.settings import Settings


def main() -> None:
    """Serve until stopped."""
    run(create_app, Settings())


if __name__ == "__main__":
    main()
