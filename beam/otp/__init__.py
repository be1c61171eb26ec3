"""OTP's actors in Python, on Pykka: processes, supervisors, state machines, tables.

>>> from beam.otp import Server, Supervisor, child, whereis
>>> class Counter(Server):
...     def init(self, start=0):
...         self.count = start
...     def increment(self, by=1):
...         self.count += by
...         return self.count
"""

from beam.errors import Exited, Refused
from beam.otp import sys
from beam.otp.atom import Atom
from beam.otp.bif import (
    current_process,
    demonitor,
    exit,
    link,
    monitor,
    receive,
    register,
    send_after,
    spawn,
    spawn_link,
    spawn_monitor,
    unlink,
    unregister,
    whereis,
)
from beam.otp.budget import Backoff, Restarts
from beam.otp.child import ChildSpec, child
from beam.otp.dynamic import DynamicSupervisor
from beam.otp.function import Mailbox
from beam.otp.future import Future
from beam.otp.mail import Call, Cast, Info
from beam.otp.node import Node, current_node
from beam.otp.partition_supervisor import PartitionSupervisor
from beam.otp.process import Process
from beam.otp.reasons import Crash, Down, Exit, TableTransfer
from beam.otp.ref import Ref
from beam.otp.registry import Registry
from beam.otp.rows import END_OF_TABLE
from beam.otp.server import Server
from beam.otp.signals import Monitor
from beam.otp.statem import StateMachine, state
from beam.otp.supervisor import Supervisor, supervisor
from beam.otp.table import Table
from beam.otp.tasks import Tasks
from beam.otp.timer import Timer
from beam.otp.transitions import (
    Enter,
    EventTimeout,
    Internal,
    StateTimeout,
    Timeout,
    event_timeout,
    goto,
    next_event,
    postpone,
    repeat,
    reply,
    state_timeout,
    stay,
    stop,
    timeout,
    unhandled,
)
from beam.otp.turn import ignore, noreply

__all__ = [
    "END_OF_TABLE",
    "Atom",
    "Backoff",
    "Call",
    "Cast",
    "ChildSpec",
    "Crash",
    "Down",
    "DynamicSupervisor",
    "Enter",
    "EventTimeout",
    "Exit",
    "Exited",
    "Future",
    "Info",
    "Internal",
    "Mailbox",
    "Monitor",
    "Node",
    "PartitionSupervisor",
    "Process",
    "Ref",
    "Refused",
    "Registry",
    "Restarts",
    "Server",
    "StateMachine",
    "StateTimeout",
    "Supervisor",
    "Table",
    "TableTransfer",
    "Tasks",
    "Timeout",
    "Timer",
    "child",
    "current_node",
    "current_process",
    "demonitor",
    "event_timeout",
    "exit",
    "goto",
    "ignore",
    "link",
    "monitor",
    "next_event",
    "noreply",
    "postpone",
    "receive",
    "register",
    "repeat",
    "reply",
    "send_after",
    "spawn",
    "spawn_link",
    "spawn_monitor",
    "state",
    "state_timeout",
    "stay",
    "stop",
    "supervisor",
    "sys",
    "timeout",
    "unhandled",
    "unlink",
    "unregister",
    "whereis",
]
