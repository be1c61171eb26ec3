"""A supervision tree as data, which prints as text.

>>> from beam.otp import Server, Supervisor, child
>>> class Leaf(Server):
...     pass
>>> with Supervisor.start([child(Leaf, id=n) for n in range(2)], name="trunk") as tree:
...     branch = branch_of("trunk", tree)
>>> [(one.id, one.kind) for one in branch.children]
[(0, 'worker'), (1, 'worker')]
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from beam.errors import CallFailed
from beam.otp.ref import Ref
from beam.otp.supervisor_ref import SupervisingRef

__all__ = ["Branch", "branch_of"]


@dataclass(frozen=True, slots=True)
class Branch:
    """A process in a supervision tree, with what is below it.

    Attributes:
        id: its id at its supervisor.
        kind: `"supervisor"` or `"worker"`.
        process: its ref; `None` if it is not running.
        state: `"running"`, or what its supervisor says instead: `"restarting"`, ...
        mailbox: how many messages wait in its mailbox.
        children: what it supervises, in the order of their start.
    """

    id: Any
    kind: str
    process: Ref[Any] | None
    state: str
    mailbox: int
    children: tuple[Branch, ...] = ()

    def __str__(self) -> str:
        return "\n".join(self.lines())

    def lines(self) -> list[str]:
        """Return the lines of the text, the branch itself first."""
        what = str(self.process) if self.process is not None else self.state
        waiting = f", {self.mailbox} waiting" if self.mailbox else ""
        lines = [f"{self.id}  ({what}{waiting})"]
        for number, one in enumerate(self.children, 1):
            last = number == len(self.children)
            first, *rest = one.lines()
            lines.append(f"{'└── ' if last else '├── '}{first}")
            lines += [f"{'    ' if last else '│   '}{line}" for line in rest]
        return lines


def branch_of(name: Any, process: Any, kind: str = "supervisor") -> Branch:
    """Return the tree below a process; blocks while the supervisors are asked.

    One that ends while it is asked is shown without children.
    """
    if not isinstance(process, Ref):
        return Branch(name, kind, None, str(process), 0)
    children: tuple[Branch, ...] = ()
    if isinstance(process, SupervisingRef):
        try:
            found = process.which_children()
        except CallFailed:
            found = []
        ordered = found if process.actor_class.__name__ == "DynamicSupervisor" else found[::-1]
        children = tuple(branch_of(one.id, one.process, one.type) for one in ordered)
    state = "running" if process.is_alive() else "ended"
    return Branch(name, kind, process, state, process.control.count(), children)
