"""Start descendants that leave by every door, name them, and then wait, or exit with `--exit`.

The doors: the plain child; a child in a session of its own; an orphan (its parent has exited) in a
session of its own; the same with an empty environment. All of them ignore TERM.
"""

import os
import signal
import sys


def wait_for_ever(door: int) -> None:
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    os.write(told, f"{door} {os.getpid()}\n".encode())
    while True:
        signal.pause()


def start(door: int, *, session: bool, orphan: bool, clear: bool) -> None:
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
        again = [sys.executable, "-I", "-S", __file__, "--wait", str(told), str(door)]
        os.execve(sys.executable, again, {})
    wait_for_ever(door)


if sys.argv[1:2] == ["--wait"]:
    told = int(sys.argv[2])
    wait_for_ever(int(sys.argv[3]))
names, told = os.pipe()
start(1, session=False, orphan=False, clear=False)
start(2, session=True, orphan=False, clear=False)
start(3, session=True, orphan=True, clear=False)
start(4, session=True, orphan=True, clear=True)
os.close(told)
buffer = b""
while buffer.count(b"\n") < 4:
    buffer += os.read(names, 4096)
# In the order of the doors, not in that in which they came through.
print(*(line.split()[1] for line in sorted(buffer.decode().splitlines())), flush=True)
if "--exit" not in sys.argv:
    while True:
        signal.pause()
