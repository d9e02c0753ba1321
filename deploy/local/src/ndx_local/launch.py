"""Starts one program the way the stack needs it: not as root, and never outliving a test that started it.

`python launch.py [--user NAME] [--with-parent] -- PROGRAM ARGUMENT…` (standard library only, to start fast).
PostgreSQL refuses to run as root. A folder below a private home is closed to any other user, therefore on
Linux the program keeps the one capability that lets it walk to its own files.
"""

import ctypes
import os
import pwd
import signal
import struct
import sys
from pathlib import Path

PR_SET_PDEATHSIG = 1
PR_SET_KEEPCAPS = 8
PR_CAP_AMBIENT = 47
PR_CAP_AMBIENT_RAISE = 2
CAP_DAC_OVERRIDE = 1
CAP_DAC_READ_SEARCH = 2
CAPABILITY_VERSION_3 = 0x20080522


def _keep_walking_right(libc: ctypes.CDLL) -> None:
    """Make one capability survive the coming exec; without it only folders open to everyone are reachable."""
    header = ctypes.create_string_buffer(struct.pack("<Ii", CAPABILITY_VERSION_3, 0))
    for capability in (CAP_DAC_READ_SEARCH, CAP_DAC_OVERRIDE):  # containers often have only the second
        mask = 1 << capability
        data = ctypes.create_string_buffer(struct.pack("<6I", mask, mask, mask, 0, 0, 0))
        if libc.capset(header, data) == 0:
            libc.prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_RAISE, capability, 0, 0)
            return


def become(name: str) -> None:
    """Give up root for the named user."""
    entry = pwd.getpwnam(name)
    libc = ctypes.CDLL(None, use_errno=True) if sys.platform == "linux" else None
    if libc is not None:
        libc.prctl(PR_SET_KEEPCAPS, 1, 0, 0, 0)
    os.setgroups([])
    os.setgid(entry.pw_gid)
    os.setuid(entry.pw_uid)
    if libc is not None:
        _keep_walking_right(libc)


def end_with_parent() -> None:
    """Ask Linux to interrupt this process when its parent dies; elsewhere the next start cleans up."""
    if sys.platform == "linux":
        ctypes.CDLL(None, use_errno=True).prctl(PR_SET_PDEATHSIG, int(signal.SIGINT), 0, 0, 0)


def main(arguments: list[str]) -> None:
    """Read the options before `--` and turn into the program after it."""
    cut = arguments.index("--")
    options, command = arguments[:cut], arguments[cut + 1 :]
    if "--user" in options:
        become(options[options.index("--user") + 1])
    if "--with-parent" in options:
        end_with_parent()
    if not Path(command[0]).is_absolute():
        raise SystemExit(f"{command[0]}: the program must be named by its full path")
    try:
        os.execv(command[0], command)  # noqa: S606  fixed programs of the stack, no shell wanted
    except OSError as error:
        raise SystemExit(f"{command[0]} could not be started by {os.geteuid()}: {error.strerror}") from None


if __name__ == "__main__":
    main(sys.argv[1:])
