"""Command `python -m svc_population.imports.main FILE|-`: load a file of persons into the database."""

import asyncio
import sys
from collections.abc import Iterator
from pathlib import Path

from svc_population.imports.errors import ImportRefused
from svc_population.imports.service import Loaded, load_persons
from svc_population.persons.errors import SensitiveKeyMissing
from svc_population.persons.sealing import Keyring
from svc_population.settings import Settings


def main(arguments: list[str]) -> int:
    """Load the named file, or standard input for `-`."""
    if len(arguments) != 1:
        sys.stderr.write("usage: python -m svc_population.imports.main FILE|-\n")
        return 2
    name = arguments[0]
    try:
        if name == "-":
            loaded = _load(iter(sys.stdin), "standard input")
        else:
            with Path(name).open(encoding="utf-8", newline="") as file:
                loaded = _load(iter(file), Path(name).name)
    except UnicodeDecodeError as error:
        sys.stderr.write(f"population: the file is not UTF-8, from byte {error.start + 1} of a piece on\n")
        return 1
    except (ImportRefused, SensitiveKeyMissing, OSError) as error:
        sys.stderr.write(f"population: {error}\n")
        return 1
    sys.stdout.write(f"population: {loaded}\n")
    return 0


def _load(texts: Iterator[str], source: str) -> Loaded:
    settings = Settings()
    keys = Keyring.of_file(settings.sensitive_key_file)
    return asyncio.run(load_persons(settings.asyncpg_dsn, texts, source=f"import:{source}", keys=keys))


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
