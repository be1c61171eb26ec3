"""A supervision tree as data, which prints as text.

    >>> from beam.otp import Server, Supervisor, child, supervisor
    >>> class Leaf(Server):
    ...     pass
    >>> with Supervisor.start(
    ...     [child(Leaf, id="bud"), supervisor([child(Leaf, id=n) for n in range(2)], id="twig")],
    ...     strategy="rest_for_one", max_restarts=3, name="trunk",
    ... ) as tree:
    ...     print(tree.tree())
    trunk  (Supervisor #1, rest_for_one)
    ├── bud  (Leaf #2)
    └── twig  (Supervisor #3, one_for_one)
        ├── 0  (Leaf #4)
        └── 1  (Leaf #5)

Nobody is asked: what a supervisor knows of its children, and what a process is at, is read where
it lies. So a tree is there at once, however busy its supervisors are, and if they hang. It shows
what was so in the moment of each look; while a supervisor is at work its children may be changing.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from beam.otp.control import Control, Life
from beam.otp.ref import Ref
from beam.otp.waits import Wait, wait_of

if TYPE_CHECKING:
    from collections.abc import Iterator

    from beam.otp.supervision import Sighting, Survey, Window

__all__ = ["Branch", "branch_of", "supervises", "survey_of"]


@dataclass(frozen=True, slots=True)
class Branch:
    """A process in a supervision tree, with what is below it.

    Attributes:
        id: its id at its supervisor; of the root, its name or its class; `None` for children that
            have none (`simple_one_for_one`).
        kind: `"supervisor"` or `"worker"`.
        process: its ref; the one that it had last if it is not running, `None` if it had none.
        state: `"running"`; `"starting"`: in its `init`; `"suspended"` (`sys.suspend`);
            `"restarting"`: its restart goes on, or is tried again; `"waiting"`: for the time of its
            restart, `left` seconds; `"quarantined"`: its budget is spent; `"ended"`.
        mailbox: how many messages wait in its mailbox.
        children: what it supervises, in the order of their start.
        waits: what it waits for; `None` while it is at work, and if it is not running.
        left: the seconds until it is restarted, if it waits for that.
        strategy: a supervisor's: who is restarted with whom; `"dynamic"` for one whose children
            come and go.
        restarts: a supervisor's restarts that count now, how many may, in which window; `None` if
            each of its children has a budget of its own.
        budget: what it has used of its own budget of restarts, if it has one.
        given_up: of the root, the processes of its node that were given up and whose handlers run
            still (G9).
    """

    id: Any
    kind: str
    process: Ref[Any] | None
    state: str
    mailbox: int
    children: tuple[Branch, ...] = ()
    waits: Wait | None = None
    left: float | None = None
    strategy: str | None = None
    restarts: Window | None = None
    budget: Window | None = None
    given_up: tuple[Ref[Any], ...] = ()

    @property
    def busy(self) -> bool:
        """Whether it is at work now: a supervisor's children may be changing then."""
        return self.state in ("running", "starting") and self.waits is None

    def walk(self) -> Iterator[Branch]:
        """Yield this branch and all below it, each before what is below it."""
        yield self
        for child in self.children:
            yield from child.walk()

    def __str__(self) -> str:
        return "\n".join(self.lines())

    def lines(self) -> list[str]:
        """Return the lines of the text, the branch itself first."""
        about = ", ".join(self._about())
        lines = [f"{self.id}  ({about})" if self.id is not None else f"({about})"]
        for number, one in enumerate(self.children, 1):
            last = number == len(self.children)
            first, *rest = one.lines()
            lines.append(f"{'└── ' if last else '├── '}{first}")
            lines += [f"{'    ' if last else '│   '}{line}" for line in rest]
        if self.given_up:
            lines.append(f"given up, and still running: {', '.join(map(str, self.given_up))}")
        return lines

    def _about(self) -> Iterator[str]:
        """Yield what to say of it; what goes without saying is left out."""
        if self.process is not None and self.state != "waiting":
            control = self.process.control
            named = control.name is not None and control.name != self.id
            kind = self.process.actor_class.__name__
            yield str(self.process) if named else f"{kind} #{control.serial}"
        if self.strategy not in (None, "dynamic"):
            yield str(self.strategy)
        if self.left is not None:
            yield f"restarts in {self.left:.1f} s"
        elif self.state != "running" or self.process is None:
            yield self.state
        if self.waits is not None and self.waits.kind != "mail":
            yield str(self.waits)
        elif self.busy and self.process is not None and self.state == "running":
            yield "busy"
        for window in (self.restarts, self.budget):
            if window is not None and window.used:
                yield f"{window.used} of {window.allowed} restarts in {window.seconds:g} s"
        if self.mailbox:
            yield f"{self.mailbox} message{'s' if self.mailbox > 1 else ''}"


def branch_of(name: Any, process: Ref[Any]) -> Branch:
    """Return the tree below a process, its root under this name; reads, and asks nobody."""
    control = process.control
    given_up = tuple(control.node.given_up.copy().values())
    kind = "supervisor" if supervises(control) else "worker"
    return _branch(control, id=name, kind=kind, given_up=given_up)


def supervises(control: Control) -> bool:
    """Return whether a process is a supervisor, of whichever kind."""
    return bool(getattr(control.ref.actor_class, "renders_reports", False))


def survey_of(control: Control) -> Survey | None:
    """Return what a supervisor knows of its children; `None` if it is none, or not one yet."""
    actor = control.actor
    keeper: Any = vars(actor).get("_keeper") if actor is not None else None
    if keeper is None:
        return None
    survey: Survey = keeper.survey(control.node.clock.now())
    return survey


def _branch(control: Control, **known: Any) -> Branch:
    """Return the branch of a process that its supervisor, if it has one, takes to be running."""
    survey = survey_of(control)
    if survey is not None:
        known["strategy"], known["restarts"] = survey.strategy, survey.window
        known["children"] = tuple(map(_seen, survey.children))
    return Branch(
        process=control.ref,
        state=_state_of(control),
        mailbox=control.count(),
        waits=wait_of(control),
        **known,
    )


def _seen(child: Sighting) -> Branch:
    known: dict[str, Any] = {"id": child.id, "kind": child.spec.type, "budget": child.budget}
    if child.state == "running" and child.process is not None:
        return _branch(child.process.control, **known)
    return Branch(process=child.process, state=child.state, mailbox=0, left=child.left, **known)


def _state_of(control: Control) -> str:
    if control.life is Life.DEAD:
        return "ended"
    if control.life is Life.STARTING:
        return "starting"
    return "suspended" if getattr(control.receiver, "suspended", False) else "running"
