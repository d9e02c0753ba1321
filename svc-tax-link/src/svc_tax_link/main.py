"""Start command of the tax link: `python -m svc_tax_link.main`."""

from ndx_chassis.server import run

from svc_tax_link.app import create_app
from svc_tax_link.settings import Settings


def main() -> None:
    """Serve until a signal arrives."""
    run(create_app, Settings())


if __name__ == "__main__":
    main()
