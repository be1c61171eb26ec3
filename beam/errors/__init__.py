"""The exception tree of `beam`: every error, with its reason and its facts as fields.

    BeamError
    ├── InvalidInput (also ValueError)       bad input, named before anything changed
    │   ├── InvalidSpec                      a child specification or a supervisor's flags
    │   └── InvalidOption                    an option of the agent loop or of a provider
    ├── NotAProcess                          an operation that only a process can do
    ├── StartError                           a process did not start; `reason` is its exit reason
    │   └── AlreadyStarted                   the name is taken; `process` holds it
    ├── CallFailed
    │   ├── CallExit (also ActorDeadError)   the callee died, or is not there
    │   ├── CallTimeout (also pykka.Timeout) the call's deadline passed
    │   │   └── DeadlineExpired              the deadline inherited from the caller passed
    │   ├── CallCycle                        a ring of calls; `path` names it
    │   ├── MailboxFull                      the process has a bound for its mail, and it is reached
    │   └── PoolExhausted                    every worker waits in a call; `graph` says for whom
    ├── Refused                              an answer: the callee declined and lives on
    │   ├── NotFound, AlreadyExists, NotSupported, QueueFull
    │   ├── SupervisorRefused                an answer of a supervisor
    │   ├── TableRefused                     an operation on a table that is gone or not open to you
    │   ├── RoutingRefused                   no backend could be selected
    │   ├── StateRefused                     a state table could not do what was asked
    │   └── SessionRefused
    │       ├── QueryInProgress, SessionRestarting, SessionQuarantined, SessionClosed
    │       └── RunFailed
    │           └── Interrupted
    ├── ToolFailed                           a tool that an agent called has failed
    ├── ProviderFailed                       a model provider could not do what it was asked
    ├── LoopFailed                           a request to the agent loop ended without an answer
    ├── StoreError
    │   ├── StoreForeign                     the file is not one of ours
    │   ├── StoreCorrupt                     the file is ours and damaged
    │   ├── StoreNewer                       the file was written by a newer `beam`
    │   ├── StoreLocked                      another process writes to it; `pid` names it
    │   ├── StoreFull                        no room on the disk, or the log's own limit is reached
    │   ├── StoreTimeout (also TimeoutError) the log did not finish within the deadline
    │   └── StoreClosed
    ├── PortError
    │   ├── SpawnFailed                      the program could not be started
    │   ├── PortClosed                       the program has ended
    │   │   └── StdinClosed                  nothing more can be written to the program
    │   └── LoopStopped                      the loop thread does not run
    ├── SimulationError                      a run of the test kit did not go as it must
    │   ├── NotSettled                       the processes did not come to rest in time
    │   ├── NotSimulated                     a real thread, socket or clock in a simulation
    │   ├── Deadlock                         nothing can run, no timer is left: `paths` says
    │   ├── Livelock                         turns without end, and time stands still
    │   └── Violation                        something was seen that must never be
    └── InjectedCrash                        the crash that a simulation put into a process

    Exited (BaseException)                   a process ends here: by `exit(reason)`, or a signal

`Exited` is no `Exception`, so that a handler's `except Exception` does not swallow the end of
its own process, in the way of `SystemExit`.
"""

from __future__ import annotations

from beam.errors.ports import (
    LoopStopped,
    PortClosed,
    PortError,
    SpawnFailed,
    StdinClosed,
)
from beam.errors.processes import (
    AlreadyStarted,
    CallCycle,
    CallExit,
    CallFailed,
    CallTimeout,
    DeadlineExpired,
    MailboxFull,
    PoolExhausted,
    StartError,
)
from beam.errors.providers import (
    InvalidOption,
    LoopFailed,
    ProviderFailed,
)
from beam.errors.refusals import (
    AlreadyExists,
    Interrupted,
    NotFound,
    NotSupported,
    QueryInProgress,
    QueueFull,
    Refused,
    RoutingRefused,
    RunFailed,
    SessionClosed,
    SessionQuarantined,
    SessionRefused,
    SessionRestarting,
    StateRefused,
    SupervisorRefused,
    TableRefused,
)
from beam.errors.root import (
    BeamError,
    Exited,
    InvalidInput,
    InvalidSpec,
    NotAProcess,
    ToolFailed,
)
from beam.errors.stores import (
    StoreClosed,
    StoreCorrupt,
    StoreError,
    StoreForeign,
    StoreFull,
    StoreLocked,
    StoreNewer,
    StoreTimeout,
)
from beam.errors.testing import (
    Deadlock,
    InjectedCrash,
    Livelock,
    NotSettled,
    NotSimulated,
    SimulationError,
    Violation,
)

__all__ = [
    "AlreadyExists",
    "AlreadyStarted",
    "BeamError",
    "CallCycle",
    "CallExit",
    "CallFailed",
    "CallTimeout",
    "DeadlineExpired",
    "Deadlock",
    "Exited",
    "InjectedCrash",
    "Interrupted",
    "InvalidInput",
    "InvalidOption",
    "InvalidSpec",
    "Livelock",
    "LoopFailed",
    "LoopStopped",
    "MailboxFull",
    "NotAProcess",
    "NotFound",
    "NotSettled",
    "NotSimulated",
    "NotSupported",
    "PoolExhausted",
    "PortClosed",
    "PortError",
    "ProviderFailed",
    "QueryInProgress",
    "QueueFull",
    "Refused",
    "RoutingRefused",
    "RunFailed",
    "SessionClosed",
    "SessionQuarantined",
    "SessionRefused",
    "SessionRestarting",
    "SimulationError",
    "SpawnFailed",
    "StartError",
    "StateRefused",
    "StdinClosed",
    "StoreClosed",
    "StoreCorrupt",
    "StoreError",
    "StoreForeign",
    "StoreFull",
    "StoreLocked",
    "StoreNewer",
    "StoreTimeout",
    "SupervisorRefused",
    "TableRefused",
    "ToolFailed",
    "Violation",
]

# Shown and looked for as `beam.errors.Refused`, wherever the class stands.
for _name in __all__:
    globals()[_name].__module__ = __name__
