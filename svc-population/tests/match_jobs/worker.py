"""A process that works on match jobs as the service's own does, to be killed or put on short rations."""

import asyncio
import json
import os
import resource
import sys

from ndx_contracts.agreements import Agreement
from svc_population.app import create_app
from svc_population.match_jobs import feed, jobs
from svc_population.settings import Settings


async def _work(agreement: str) -> None:
    app = create_app(Settings())
    runtime = app.state.runtime
    runtime.agreements.put(Agreement.model_validate_json(agreement))
    try:
        await jobs.WORK.run(runtime)
    finally:
        await runtime.engine.dispose()


def main() -> None:
    """Read the agreement, how many lines make a slice and how large files may get; then work."""
    given = json.load(sys.stdin)
    feed.SLICE = given["slice"]
    if given["largest_file"]:
        hard = resource.getrlimit(resource.RLIMIT_FSIZE)[1]
        resource.setrlimit(resource.RLIMIT_FSIZE, (given["largest_file"], hard))
    asyncio.run(_work(given["agreement"]))
    sys.stdout.write(f"{os.getpid()} is through\n")


if __name__ == "__main__":
    main()
