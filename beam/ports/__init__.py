r"""OS processes as resources that end with their owner, and the one asyncio loop thread.

    from beam.ports import LoopThread, PortHost, PortSpec, reap_leftovers

    reap_leftovers(directory)                        # what a kill -9 of the last owner left
    loop = LoopThread()
    loop.start()
    host = PortHost(directory, loop)
    spec = PortSpec.of("claude -p --output-format stream-json", cwd="repo", stdin="pipe")
    port = host.start(spec, on_line=on_line, on_exit=on_exit)
    port.write(b'{"type": "user", ...}\n')
    port.ack()                                       # for each line that has been handled
    port.stop()                                      # TERM, KILL after the grace, the whole tree
    host.close()
    loop.stop()

Promises (G16): a tree is ended as a whole, whatever its members did to leave it, when its port is
stopped, when its program ends, and when this process dies, by `kill -9` too. What runs is on disk
before it runs. The exit comes once, after all output. No zombie and no descriptor is left. Limits
are said where they are: `keeper.py`, `reaper.py`, `loop.py`.
"""

from beam.ports.host import PortHost
from beam.ports.ledger import default_ledger
from beam.ports.lines import Line, SpilledLine
from beam.ports.loop import Leftovers, LoopThread
from beam.ports.port import Port, PortExit
from beam.ports.reaper import Leftover, reap_leftovers
from beam.ports.sample import TreeSample
from beam.ports.spec import PortSpec

__all__ = [
    "Leftover",
    "Leftovers",
    "Line",
    "LoopThread",
    "Port",
    "PortExit",
    "PortHost",
    "PortSpec",
    "SpilledLine",
    "TreeSample",
    "default_ledger",
    "reap_leftovers",
]
