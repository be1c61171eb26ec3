"""OTP's supervisor as a plain model: no process, no time of its own, nothing of `beam.otp`.

The rules are those of OTP's manual: what restarts whom, what counts, what is answered; that ours
are OTP's own, the recorded traces show (`tests.conformance`). Its mail is handled in order, as a
process's; a restart that failed is tried again after the mail that is there by then. A child's
process is its number, in the order in which they began to start.
"""

from __future__ import annotations

import math
from collections import deque
from dataclasses import dataclass, field
from typing import Any

__all__ = ["PATIENCE", "Life", "Modelled", "Part", "World"]

# Seconds that a child has to end.
PATIENCE = 5.0


@dataclass(frozen=True)
class Part:
    """A child's specification.

    Attributes:
        id, restart, significant: as OTP's.
        brutal: whether it is killed at once, rather than told to end.
        kind: `"plain"`; `"trapping"`, which hears that it is to end; `"deaf"`, which also hears
            it, but has to be killed.
        starts: how its first starts turn out, `"ok"`, `"ignore"`, `"refuse"` or `"crash"`; the
            later ones are well.
    """

    id: str
    restart: str = "permanent"
    significant: bool = False
    brutal: bool = False
    kind: str = "plain"
    starts: tuple[str, ...] = ()


@dataclass(eq=False)
class Life:
    """A process of a child."""

    number: int
    kind: str
    alive: bool = True
    reason: Any = None


@dataclass(eq=False)
class Kept:
    """What a supervisor knows of a child."""

    part: Part
    starts: list[str]
    life: Life | None = None
    restarting: bool = False


@dataclass
class World:
    """What supervisors, one after the other, have in common.

    Attributes:
        now: seconds.
        lives: the children's processes, by their numbers.
        log: what they noted of their starts and ends.
    """

    now: float = 0.0
    lives: list[Life] = field(default_factory=list)
    log: list[tuple[Any, ...]] = field(default_factory=list)

    def ends_by_itself(self, life: Life, reason: Any) -> None:
        """Have a child end; a killed one notes nothing."""
        if reason != "killed":
            self.log.append(("stop", life.number, reason))
        life.alive, life.reason = False, reason


class Modelled:
    """A supervisor.

    Args:
        world: where it is.
        strategy, auto_shutdown, intensity, period: its flags.
    """

    def __init__(
        self, world: World, strategy: str, auto_shutdown: str, intensity: int, period: int
    ) -> None:
        self.world = world
        self.strategy, self.auto_shutdown = strategy, auto_shutdown
        self.intensity, self.period = intensity, period
        self.children: list[Kept] = []
        self.restarts: list[int] = []
        self.mail: deque[tuple[Any, ...]] = deque()
        self.replies: dict[int, Any] = {}
        self.alive, self.reason = True, None

    # Its life

    def begin(self, parts: list[Part]) -> Any:
        """Start with these children; return the reason if one does not start."""
        self.children = [Kept(part, list(part.starts)) for part in parts]
        failed = self._start_all(list(self.children))
        if failed is None:
            return None
        child, reason = failed
        self.die(("shutdown", ("failed_to_start_child", child.part.id, reason)))
        return self.reason

    def die(self, reason: Any) -> None:
        """End the children, last started first, and then itself; what asks it now hears why."""
        for child in reversed(self.children):
            self._end(child)
        self._be_dead(reason)

    def be_killed(self) -> None:
        """Be gone at once; its children hear of it by their links."""
        for child in self.children:
            life = child.life
            if life is not None and life.alive:
                if life.kind != "plain":
                    self.world.log.append(("stop", life.number, "killed"))
                life.alive, life.reason = False, "killed"
        self._be_dead("killed")

    def _be_dead(self, reason: Any) -> None:
        self.alive, self.reason = False, reason
        for message in self.mail:
            if message[0] == "call":
                self.replies[message[1]] = ("exit", reason)
        self.mail.clear()

    def handle_mail(self) -> None:
        """Handle all that has come, and what comes of it."""
        while self.mail:
            match self.mail.popleft():
                case ("exit", life, reason):
                    self._exited(life, reason)
                case ("again", child_id):
                    child = self._find(child_id)
                    if child is not None and child.restarting:
                        self._restart(child)
                case ("call", token, function, args):
                    reply = getattr(self, function)(*args)
                    self.replies[token] = "" if reply is None else reply

    # Processes

    def _start(self, child: Kept) -> Any:
        """Start a child's process; return the reason if it does not start."""
        world = self.world
        life = Life(len(world.lives), child.part.kind)
        world.lives.append(life)
        world.log.append(("start", life.number, child.part.id))
        outcome = child.starts.pop(0) if child.starts else "ok"
        child.life, child.restarting = (life if outcome == "ok" else None), False
        life.alive = outcome == "ok"
        return {"refuse": "not_today", "crash": "crash"}.get(outcome)

    def _start_all(self, children: list[Kept]) -> tuple[Kept, Any] | None:
        for child in children:
            reason = self._start(child)
            if reason is not None:
                return child, reason
            if child.life is None:
                self._is_over(child)
        return None

    def _end(self, child: Kept) -> None:
        life, world = child.life, self.world
        if life is not None and life.alive:
            life.alive = False
            life.reason = "killed" if child.part.brutal or life.kind == "deaf" else "shutdown"
            if not child.part.brutal and life.kind != "plain":
                world.log.append(("stop", life.number, "shutdown"))
            if not child.part.brutal and life.kind == "deaf":
                world.now += PATIENCE
        self._is_over(child)

    def _is_over(self, child: Kept) -> None:
        """Note that nothing runs of a child; a temporary one is forgotten."""
        child.life, child.restarting = None, False
        if child.part.restart == "temporary" and child in self.children:
            self.children.remove(child)

    # What a child's end calls for

    def _exited(self, life: Life, reason: Any) -> None:
        child = next((each for each in self.children if each.life is life), None)
        if child is None:
            return
        well = reason in ("normal", "shutdown") or reason[0] == "shutdown"
        match child.part.restart:
            case "permanent":
                self._restart(child)
            case "transient" if not well:
                self._restart(child)
            case _:
                self._is_over(child)
                if child.part.significant:
                    self._significant_is_over()

    def _significant_is_over(self) -> None:
        left = any(
            each.part.significant and (each.life is not None or each.restarting)
            for each in self.children
        )
        if self.auto_shutdown == "any_significant" or (
            self.auto_shutdown == "all_significant" and not left
        ):
            self.die("shutdown")

    def used(self) -> int:
        """Return how many restarts count now."""
        now = math.floor(self.world.now)
        return sum(now <= then + self.period for then in self.restarts)

    def _restart(self, child: Kept) -> None:
        self.restarts.append(math.floor(self.world.now))
        if self.used() > self.intensity:
            self._is_over(child)
            self.die("shutdown")
            return
        child.life, child.restarting = None, False
        concerned = [child]
        if self.strategy == "rest_for_one":
            concerned = self.children[self.children.index(child) :]
        elif self.strategy == "one_for_all":
            concerned = list(self.children)
        for other in reversed(concerned):
            if other is not child:
                self._end(other)
        failed = self._start_all([each for each in concerned if each in self.children])
        if failed is not None:
            failed[0].restarting = True
            self.mail.append(("again", failed[0].part.id))

    # Its functions

    def takes(self, part: Part) -> bool:
        """Return whether its flags and the child's go together."""
        return not part.significant or (
            self.auto_shutdown != "never" and part.restart != "permanent"
        )

    def _find(self, child_id: str) -> Kept | None:
        return next((each for each in self.children if each.part.id == child_id), None)

    def start_child(self, part: Part) -> Any:
        """Return the number of its process, `None` if it has nothing to do, or the refusal."""
        if not self.takes(part):
            return "refused", "bad_combination"
        known = self._find(part.id)
        if known is not None:
            life = known.life
            why: Any = "already_present" if life is None else ("already_started", life.number)
            return "refused", why
        child = Kept(part, list(part.starts))
        reason = self._start(child)
        if reason is not None:
            return "refused", ("failed", reason)
        if child.life is not None or part.restart != "temporary":
            self.children.append(child)
        return None if child.life is None else child.life.number

    def terminate_child(self, child_id: str) -> Any:
        """Return `None`, or the refusal."""
        child = self._find(child_id)
        if child is None:
            return "refused", "not_found"
        self._end(child)
        return None

    def restart_child(self, child_id: str) -> Any:
        """Return the number of its process, `None` if it has nothing to do, or the refusal."""
        refusal = self._idle(child_id)
        child = self._find(child_id)
        if refusal is not None or child is None:
            return refusal
        reason = self._start(child)
        if reason is not None:
            return "refused", reason
        return None if child.life is None else child.life.number

    def delete_child(self, child_id: str) -> Any:
        """Return `None`, or the refusal."""
        refusal = self._idle(child_id)
        if refusal is None:
            self.children = [each for each in self.children if each.part.id != child_id]
        return refusal

    def _idle(self, child_id: str) -> Any:
        child = self._find(child_id)
        if child is None:
            return "refused", "not_found"
        if child.restarting:
            return "refused", "restarting"
        return None if child.life is None else ("refused", "running")

    def which_children(self) -> Any:
        """Return the id of each and its process's number, or `"restarting"`; last started first."""
        return [
            (each.part.id, each.life.number if each.life else "restarting" * each.restarting)
            for each in reversed(self.children)
        ]

    def count_children(self) -> Any:
        """Return how many there are, and how many of them run."""
        running = sum(each.life is not None and each.life.alive for each in self.children)
        return len(self.children), running, 0, len(self.children)
