"""Former versions of a committed file, from the repository's own history."""

import subprocess
from pathlib import Path


def former_versions(root: Path, path: str) -> list[tuple[str, str]]:
    """Return (commit, text) of each version of a file that leads to the present one, newest first.

    Empty outside a Git repository, such as in an unpacked archive.
    """
    log = _git(root, "log", "--format=%h", "--", path)
    found = []
    for commit in log.split():
        text = _git(root, "show", f"{commit}:{path}")
        if text:  # the commit that removed it for a while has no text
            found.append((commit, text))
    return found


def former_names(root: Path, folder: str) -> set[str]:
    """Return the names of all files that a folder ever held."""
    listed = _git(root, "log", "--format=", "--name-only", "--", folder)
    return {Path(line).name for line in listed.split() if line}


def _git(root: Path, *arguments: str) -> str:
    try:
        done = subprocess.run(["git", *arguments], cwd=root, capture_output=True, text=True, check=False)
    except OSError:
        return ""
    return done.stdout if done.returncode == 0 else ""
