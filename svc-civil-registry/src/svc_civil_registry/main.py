"""Starts the civil registry: `python -m svc_civil_registry.main`."""

from ndx_chassis.server import run

from svc_civil_registry.app import create_app
from svc_civil_registry.settings import Settings


def main() -> None:
    """Serve until a signal arrives."""
    run(create_app, Settings())


if __name__ == "__main__":
    main()
