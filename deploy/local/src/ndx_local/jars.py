"""Fetches Apache Kafka and Zipkin as Maven artifacts and checks each file against the committed list."""

import hashlib
import shutil
import sys
from importlib import resources
from pathlib import Path

KAFKA = "org.apache.kafka:kafka_2.13:4.1.1+org.slf4j:slf4j-simple:1.7.36"
ZIPKIN = ("io.zipkin", "zipkin-server", "3.6.1", "exec")


class ChecksumError(Exception):
    """A downloaded file is not the one that was reviewed."""


def _expected() -> dict[str, str]:
    lines = resources.files("ndx_local").joinpath("java.lock").read_text(encoding="utf-8").splitlines()
    return {name: digest for digest, name in (line.split() for line in lines if line)}


def _take(source: Path, target: Path, expected: dict[str, str]) -> None:
    digest = hashlib.sha256(source.read_bytes()).hexdigest()
    if expected.get(source.name) != digest:
        raise ChecksumError(f"{source.name} has SHA-256 {digest}, which is not in java.lock")
    shutil.copyfile(source, target / source.name)


def fetch(folder: Path) -> None:
    """Download into `folder/kafka` and `folder/zipkin`; files that are not in java.lock are refused."""
    import jgo
    from jgo.maven import MavenContext

    expected, work = _expected(), folder / "work"
    jgo.build(KAFKA, cache_dir=work / "jgo")
    for name in ("kafka", "zipkin"):
        shutil.rmtree(folder / name, ignore_errors=True)
        (folder / name).mkdir(parents=True)
    for jar in sorted((work / "jgo" / "envs").rglob("*.jar")):
        _take(jar, folder / "kafka", expected)
    group, artifact, version, classifier = ZIPKIN
    context = MavenContext(repo_cache=work / "m2")
    found = context.project(group, artifact).at_version(version).artifact(classifier=classifier).resolve()
    _take(Path(found), folder / "zipkin", expected)
    shutil.rmtree(work)


if __name__ == "__main__":
    fetch(Path(sys.argv[1]).resolve())
