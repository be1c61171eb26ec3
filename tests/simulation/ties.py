"""The auditor of links, monitors and deaths: exactly one of each, and why anybody dies (G4, G5)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from beam.errors import CallExit, InjectedCrash
from beam.otp import Crash, demonitor, exit, link, monitor, unlink
from beam.otp.reasons import is_word
from tests.simulation.ledger import EPSILON, Auditor, Ledger

if TYPE_CHECKING:
    from collections.abc import Callable

    from beam.otp import Down, Exit, Monitor, Ref
    from tests.simulation.post import Post

ONE_DOWN = "each monitor delivers exactly one DOWN, of a process that has died"
NO_DOWN = "a monitor that was taken back delivers no DOWN"
LATE_DOWN = "DOWN and EXIT come after everything that the dead process had sent"
REASON = "everybody hears of a death with one reason"
CLEANUP = "DOWN and EXIT come after the cleanup"
ONE_EXIT = "each link delivers exactly one exit signal, and none that was undone"
ENDS_WITH = "who does not trap exits ends with those that it is linked to"
LINKS = "links are between the living, and known on both sides"
WHY = "nobody dies without a reason that somebody gave"
TERMINATE = "a process cleans up once, with its reason, unless a signal ends it"

NOBODY: dict[Any, None] = {}


class Planned(Exception):
    """The crash of a citizen that was told to crash."""


@dataclass(slots=True, eq=False)
class Watching:
    """What is known of a monitor."""

    owner: Ref[Any]
    target: Ref[Any] | None
    asked: Any
    was_dead: bool
    # When it was set; `None` if a signal that ends the target had come before.
    since: float | None = None
    fired: bool = False
    off: bool = False
    flushed: bool = False


class Ties(Auditor):
    """Knows who is linked to whom, who watches whom, and what anybody may die of."""

    def __init__(self, ledger: Ledger, post: Post) -> None:
        super().__init__(ledger)
        self._post = post
        self._watches: dict[Monitor, Watching] = {}
        self._links: dict[Ref[Any], dict[Ref[Any], None]] = {}
        self._expected: dict[tuple[Ref[Any], Ref[Any]], list[tuple[Any, bool]]] = {}
        self._reasons: dict[Ref[Any], list[Any]] = {}
        self._infected: dict[Ref[Any], list[Any]] = {}
        self._cleaning: dict[Ref[Any], Any] = {}
        self._cleaned: dict[Ref[Any], Any] = {}
        self._deaths: dict[Ref[Any], float] = {}
        self._ending: dict[Ref[Any], float | None] = {}
        self.silent: dict[Ref[Any], None] = {}
        """Those that say nothing of their mail and their cleanup: supervisors, and functions."""
        self.parents: dict[Ref[Any], Ref[Any]] = {}
        """Who has started whom, linked to itself."""
        self.begun: dict[Ref[Any], None] = {}
        """Those whose `init` has returned."""
        self.may_be_ended: Callable[[Ref[Any], Any], bool] = lambda ref, reason: False
        """Asks whether a process may have been ended by its supervisor, or as one."""

    # Reasons

    def gives(self, ref: Ref[Any], reason: Any) -> None:
        """Take note of a reason why a process may die from now on."""
        self._reasons.setdefault(ref, []).append(reason)

    def _explained(self, ref: Ref[Any], reason: Any) -> bool:
        if any(reason is one or reason == one for one in self._reasons.get(ref, ())):
            return True
        if type(reason) is Crash and type(reason.exception) is InjectedCrash:
            return True
        if is_word(reason, "killed") and self._was_struck(ref):
            return True
        return self.may_be_ended(ref, reason)

    def _was_struck(self, ref: Ref[Any]) -> bool:
        name = f"kill:{ref.control.name}:"
        return any(fault.name.startswith(name) for fault in self.ledger.sim.faults)

    def is_infected(self, ref: Ref[Any], reason: Any) -> bool:
        """Return whether a process may have died of what one that it was linked to has died of."""
        return reason in self._infected.get(ref, ())

    # Signals

    def exit(self, me: Ref[Any] | None, other: Ref[Any], reason: Any) -> None:
        """Send an exit signal."""
        if other.is_alive():
            if is_word(reason, "kill"):
                self.gives(other, "killed")
                self._post.doom(other, "killed")
            elif other.trap_exit:
                self._expect(other, me, reason)
                if self.parents.get(other) is me:
                    self.gives(other, reason)
            elif me is other or not is_word(reason, "normal"):
                self.gives(other, reason)
                self._post.doom(other, reason)
        exit(other, reason)

    def _expect(self, me: Ref[Any], sender: Any, reason: Any, *, died: bool = False) -> None:
        self._expected.setdefault((me, sender), []).append((reason, died))

    # Links

    def linked(self, one: Ref[Any], other: Ref[Any]) -> None:
        """Take note of a link."""
        if one.is_alive() and other.is_alive() and one is not other:
            self._links.setdefault(one, {})[other] = None
            self._links.setdefault(other, {})[one] = None

    def link(self, me: Ref[Any], other: Ref[Any]) -> None:
        """Link a process to another."""
        self.ledger.catch_up()
        alive = other.is_alive()
        if not alive and me.trap_exit:
            self._expect(me, other, "noproc")
        try:
            link(other)
        except CallExit:
            if alive or me.trap_exit:
                self.ledger.object(ONE_EXIT, me, other, "noproc")
        else:
            if not alive and not me.trap_exit:
                self.ledger.object(ONE_EXIT, me, other, "no noproc")
            if alive and other not in me.links():
                self._is_gone(me, other)
                return
        self.linked(me, other)

    def _when(self, target: Ref[Any] | None) -> float | None:
        """Return the time; `None` if a signal has come to a process that ends it."""
        return None if target in self._post.doomed else self.ledger.now()

    def _was_ending(self, ref: Ref[Any], since: float | None) -> bool:
        """Return whether a signal that ended a process may have come to it before a time.

        What its supervisor sends it, or the simulation, is not known until it acts: with the next
        turn, which may be late.
        """
        unseen = ref.exit_reason in ("shutdown", "killed")
        return since is None or unseen or self._deaths[ref] <= since + EPSILON

    def _is_gone(self, me: Ref[Any], other: Ref[Any]) -> None:
        """Take note of a link to one that an exit signal had reached: it is as one to the dead."""
        self._ending.setdefault(other, self._when(other))
        if me.trap_exit:
            self._expect(me, other, "noproc")
        else:
            self.gives(me, "noproc")
            self._post.doom(me, "noproc")

    def unlink(self, me: Ref[Any], other: Ref[Any]) -> None:
        """Undo a link."""
        self.ledger.catch_up()
        unlink(other)
        self._links.get(me, {}).pop(other, None)
        self._links.get(other, {}).pop(me, None)

    def exit_came(self, me: Ref[Any], message: Exit) -> None:
        """Take note of a trapped signal."""
        self.ledger.catch_up()
        sender = message.process
        expected = self._expected.get((me, sender), [])
        if not expected or expected[0][0] != message.reason:
            self.ledger.object(ONE_EXIT, me, message, list(expected))
            return
        _, died = expected.pop(0)
        if died:
            self._check_order(me, sender)

    def _check_order(self, me: Ref[Any], sender: Ref[Any]) -> None:
        """See that what comes after a death comes after all else that comes of it."""
        if sender in self.silent:
            return
        if not self._post.all_has_come(sender, me):
            self.ledger.object(LATE_DOWN, sender, me)
        if sender in self._cleaning:
            self.ledger.object(CLEANUP, sender, me)

    # Monitors

    def watch(self, me: Ref[Any], process: Any) -> Monitor:
        """Watch a process, by its ref or its name."""
        self.ledger.catch_up()
        target = process
        if isinstance(process, str):
            target = self.ledger.node.whereis(process)
        watch = monitor(process)
        if target is not me:
            was_dead = target is None or not target.is_alive()
            self._watches[watch] = Watching(me, target, process, was_dead, self._when(target))
        return watch

    def watched(self, me: Ref[Any], target: Ref[Any], watch: Monitor) -> None:
        """Take note of a process that was started with a monitor."""
        self._watches[watch] = Watching(me, target, target, was_dead=False)

    def unwatch(self, me: Ref[Any], watch: Monitor, *, flush: bool) -> None:
        """Take a monitor back."""
        self.ledger.catch_up()
        was_set = demonitor(watch, flush=flush)
        known = self._watches.get(watch)
        if known is None:
            return
        dead = known.was_dead or known.target in self.ledger.dead
        if was_set != (not dead and not known.off):
            self.ledger.object(NO_DOWN, me, watch, was_set)
        known.off, known.flushed = True, known.flushed or flush or not dead

    def down_came(self, me: Ref[Any], message: Down) -> None:
        """Take note of a `Down`."""
        self.ledger.catch_up()
        known = self._watches.get(message.monitor)
        if known is None or known.owner is not me or known.fired or known.asked != message.process:
            self.ledger.object(ONE_DOWN, me, message, known)
            return
        known.fired = True
        if known.flushed:
            self.ledger.object(NO_DOWN, me, message)
        if known.was_dead:
            if message.reason != "noproc":
                self.ledger.object(REASON, me, message, "noproc")
            return
        target = known.target
        assert target is not None
        if target.is_alive():
            self.ledger.object(ONE_DOWN, me, message, "it lives")
        elif message.reason != target.exit_reason and not (
            # One that an exit signal had reached was gone for who came after that signal.
            is_word(message.reason, "noproc") and self._was_ending(target, known.since)
        ):
            self.ledger.object(REASON, me, message, target.exit_reason)
        self._check_order(me, target)

    # Ends

    def cleans_up(self, me: Ref[Any], reason: Any) -> None:
        """Take note that `terminate` begins."""
        if me in self._cleaned:
            self.ledger.object(TERMINATE, me, reason, self._cleaned[me])
        self._cleaning[me] = self._cleaned[me] = reason

    def has_cleaned_up(self, me: Ref[Any]) -> None:
        """Take note that it ends."""
        self._cleaning.pop(me, None)

    def died(self, ref: Ref[Any], reason: Any) -> None:
        self._deaths[ref] = self.ledger.now()
        if not self._was_ending(ref, self._ending.pop(ref, None)):
            self.ledger.object(LINKS, ref, "it was not ending when a link was refused")
        peers = self._links.pop(ref, {})
        for peer in peers:
            self._links.get(peer, {}).pop(ref, None)
            self._signal(peer, ref, reason)

    def _signal(self, peer: Ref[Any], ref: Ref[Any], reason: Any) -> None:
        """Let the signal of a death act on a peer."""
        if not peer.is_alive():
            # One of the two has died of the other.
            self._infects(peer, reason)
            self._infects(ref, peer.exit_reason)
        elif peer.trap_exit:
            # The parent's ends a process, whether it traps exits or not, in its place among mail.
            self.gives(peer, reason)
            self._expect(peer, ref, reason, died=True)
        elif not is_word(reason, "normal"):
            self._infects(peer, reason)
            self._post.doom(peer, reason)

    def _infects(self, ref: Ref[Any], reason: Any) -> None:
        """Take note that a process may die of what another has died of."""
        self.gives(ref, reason)
        self._infected.setdefault(ref, []).append(reason)

    def _check_cleanup(self, ref: Ref[Any], reason: Any) -> None:
        cleaned = self._cleaned.pop(ref, None)
        own = ref in self.begun and not self.is_infected(ref, reason)
        if type(reason) is Crash and own and cleaned != reason:
            self.ledger.object(TERMINATE, ref, reason, cleaned)

    def buried(self, gone: list[Ref[Any]]) -> None:
        for ref in gone:
            reason = ref.exit_reason
            if not self._explained(ref, reason):
                self.ledger.object(WHY, ref, reason, self._reasons.get(ref, []))
            if ref not in self.silent:
                self._check_cleanup(ref, reason)

    # Looking

    def looks(self) -> None:
        alive = self.ledger.alive
        for ref in alive:
            links, known = ref.links(), self._links.get(ref, NOBODY)
            if dict.fromkeys(links).keys() == known.keys():
                continue  # As a rule.
            seen = [one for one in links if one in alive]
            if len(seen) != len(known) or any(one not in known for one in seen):
                self.ledger.object(LINKS, ref, seen, list(known))

    def rests(self) -> None:
        alive, dead = self.ledger.alive, self.ledger.dead
        for ref in self._ending:
            self.ledger.object(LINKS, ref, "it was not ending when a link was refused")
        for watch, known in self._watches.items():
            if known.owner not in alive or known.fired or known.off:
                continue
            if known.was_dead or known.target in dead:
                self.ledger.object(ONE_DOWN, known.owner, watch, "none came")
        for (me, sender), expected in self._expected.items():
            if me in alive and me not in self.silent and expected:
                self.ledger.object(ONE_EXIT, me, sender, expected)
