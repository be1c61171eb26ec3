"""Own a port for each program named on the command line, tell their pids, and wait to be killed.

The first argument is the ledger's directory. Each line of the output: the keeper's pid, the
program's pid, and the first line of the program. On USR1 it forks a copy of itself that waits, and
tells its pid.
"""

import os
import queue
import signal
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[3]))
from beam.ports import Line, LoopThread, PortHost, PortSpec, SpilledLine

signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGUSR1])
loop = LoopThread()
loop.start()
host = PortHost(Path(sys.argv[1]), loop)
for name in sys.argv[2:]:
    lines: queue.Queue[Line | SpilledLine] = queue.Queue()
    program = str(Path(__file__).with_name(name))
    spec = PortSpec.of([sys.executable, "-I", "-S", program], grace=0.2)
    port = host.start(spec, on_line=lines.put, on_exit=lambda _: None)
    first = lines.get(timeout=30)
    assert isinstance(first, Line)
    print(port.keeper, port.pid, first.text, flush=True)
while True:
    signal.sigwait([signal.SIGUSR1])
    copy = os.fork()
    if copy == 0:
        signal.pause()
    print(copy, flush=True)
