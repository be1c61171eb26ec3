"""Start descendants that leave by every door, name them, and then wait, or exit with `--exit`.

The doors: the plain child; a child in a session of its own; an orphan (its parent has exited) in a
session of its own; the same with an empty environment. All of them ignore TERM.
"""

import os
import signal
import sys


def wait_for_ever() -> None:
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    os.write(told, f"{os.getpid()}\n".encode())
    while True:
        signal.pause()


def start(*, session: bool, orphan: bool, clear: bool) -> None:
    child = os.fork()
    if child:
        if orphan:
            os.waitpid(child, 0)
        return
    if session:
        os.setsid()
    if orphan and os.fork():
        os._exit(0)
    if clear:
        os.set_inheritable(told, True)
        os.execve(sys.executable, [sys.executable, "-I", "-S", __file__, "--wait", str(told)], {})
    wait_for_ever()


if sys.argv[1:2] == ["--wait"]:
    told = int(sys.argv[2])
    wait_for_ever()
names, told = os.pipe()
start(session=False, orphan=False, clear=False)
start(session=True, orphan=False, clear=False)
start(session=True, orphan=True, clear=False)
start(session=True, orphan=True, clear=True)
os.close(told)
buffer = b""
while buffer.count(b"\n") < 4:
    buffer += os.read(names, 4096)
print(*buffer.decode().split(), flush=True)
if "--exit" not in sys.argv:
    while True:
        signal.pause()
