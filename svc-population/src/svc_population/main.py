"""Start command of the service: `python -m svc_population.main`."""

from ndx_chassis.server import run

from svc_population.app import create_app
from svc_population.settings import Settings


def main() -> None:
    run(create_app, Settings())


if __name__ == "__main__":
    main()
