"""Start command of the service: `python -m svc_identity.main`."""

from ndx_chassis.server import run

from svc_identity.app import create_app
from svc_identity.settings import Settings


def main() -> None:
    run(create_app, Settings())


if __name__ == "__main__":
    main()
