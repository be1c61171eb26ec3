"""Run a command where only this machine can be reached: a network namespace with loopback only.

    python -m tests.agents.alone pytest tests/agents

Agents call home: for updates, telemetry, lists of models. Here they cannot, and neither can a test
that would talk to a real model. All of the command is inside, so that what listens on loopback can
be reached by what it starts. Root makes the namespace as it is; anybody else in a user namespace of
their own. Where the kernel allows neither, the command runs without one, and that is said.
"""

from __future__ import annotations

import fcntl
import os
import shutil
import socket
import struct
import subprocess
import sys

INSIDE = "BEAM_TESTS_ALONE"
"""Set inside: "namespace" or "no namespace"."""

_GET_FLAGS, _SET_FLAGS, _UP = 0x8913, 0x8914, 0x1


def main() -> None:
    """Replace this process by the command, inside."""
    command = sys.argv[1:]
    if command[0] == "--raise-loopback":
        _raise_loopback()
        _become(command[1:])
    unshare = shutil.which("unshare")
    for way in (["-n"], ["-rn"]):
        enter = [unshare or "unshare", *way, "--", sys.executable, "-m", "tests.agents.alone"]
        enter.append("--raise-loopback")
        if unshare and _works([*enter, "true"]):
            os.environ[INSIDE] = "namespace"
            print(f"network: loopback only (unshare {way[0]})", flush=True)
            _become([*enter, *command])
    os.environ[INSIDE] = "no namespace"
    print("network: NOT cut off; this kernel lets us make no network namespace", flush=True)
    _become(command)


def _become(command: list[str]) -> None:
    os.execvp(command[0], command)


def _works(command: list[str]) -> bool:
    return subprocess.run(command, capture_output=True, check=False).returncode == 0


def _raise_loopback() -> None:
    """Bring `lo` up, which a new namespace has, but down."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as control:
        request = struct.pack("16sh14x", b"lo", 0)
        flags = struct.unpack("16sh14x", fcntl.ioctl(control, _GET_FLAGS, request))[1]
        fcntl.ioctl(control, _SET_FLAGS, struct.pack("16sh14x", b"lo", flags | _UP))


if __name__ == "__main__":
    main()
