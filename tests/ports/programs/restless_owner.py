"""Start and stop programs on four threads for ever; a dot for each start. To be killed.

The first argument is the ledger's directory. The main thread ends at once, so that what is refused
from then on (new work for executors) is missed by nobody.
"""

import itertools
import os
import sys
import threading
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[3]))
from beam.ports import LoopThread, PortHost, PortSpec

SHELL = 'trap "" TERM; sleep 600 & setsid sleep 600 & wait'


def churn() -> None:
    for number in itertools.count():
        host.start(spec, on_line=lambda _: None, on_exit=lambda _: None)
        os.write(1, b".")
        if number % 5 == 0:
            host.stop_all(grace=0)


loop = LoopThread()
loop.start()
host = PortHost(Path(sys.argv[1]), loop)
spec = PortSpec.of(["sh", "-c", SHELL], grace=0.1)
threads = [threading.Thread(target=churn) for _ in range(4)]
for thread in threads:
    thread.start()
