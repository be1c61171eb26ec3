"""Own a program, and end it when the interpreter exits: on a thread that goes on, and in `atexit`.

The first argument is the ledger's directory. Says how the two ports ended.
"""

import atexit
import sys
import threading
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[3]))
from beam.ports import LoopThread, PortHost, PortSpec


def close() -> None:
    print(*(exit.status for exit in host.close()))
    loop.stop()


def stop_after_main() -> None:
    threading.main_thread().join()
    print(first.stop().status, flush=True)


loop = LoopThread()
loop.start()
host = PortHost(Path(sys.argv[1]), loop)
spec = PortSpec.of(["sleep", "600"])
first = host.start(spec, on_line=print, on_exit=lambda _: None)
second = host.start(spec, on_line=print, on_exit=lambda _: None)
atexit.register(close)
threading.Thread(target=stop_after_main).start()
