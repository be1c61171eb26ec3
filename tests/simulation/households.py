"""The auditor of supervisors: who is restarted, in which order, how often, and by whom (G10).

A household is one life of a supervisor. Every start of a child passes through `begins`, as the
start of each child is a function of ours that the supervisor calls. What it starts anew by itself
comes in rounds: one for each restart, of the child that ended and of those that hang on it.
"""

from __future__ import annotations

import math
from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from beam.otp.reasons import is_graceful, is_word
from tests.simulation.ledger import EPSILON, Auditor, Ledger

if TYPE_CHECKING:
    from beam.otp import Backoff, Ref
    from tests.simulation.ties import Ties

ORDER = "children start in their order"
TWICE = "a child is started only when it does not run"
WANTED = "a child is restarted only if its restart type says so"
TOGETHER = "those that hang on a child are ended before it is restarted"
INTENSITY = "there are never more restarts than are allowed"
GIVES_UP = "a supervisor gives up only after more restarts than are allowed"
ORPHAN = "no child outlives its supervisor"
RESTARTED = "a child that is to be restarted is"
ENDING = "children are ended in reverse order"
BACKOFF = "a restart waits for its backoff"
BUDGET = "a child has as many restarts as its budget allows"
CHILDREN = "a supervisor knows its children"
STARTER = "only a supervisor that lives starts children"

LONG_AGO = -1e9


@dataclass(frozen=True, slots=True)
class Rules:
    """How a supervisor supervises.

    Attributes:
        strategy: OTP's word, or `"dynamic"`.
        most: how many restarts are bearable; of each child, if they are dynamic.
        seconds: in how many.
        backoff: of dynamic children.
    """

    strategy: str
    most: int
    seconds: int
    backoff: Backoff | None = None


@dataclass(slots=True, eq=False)
class Kid:
    """A child of a household.

    Attributes:
        state: `new`, `starting`, `running`, `ended`, `failed` (to start), `idle` (for good).
        since: when it came to be in that state.
        reason: why it ended.
        restarts: how many it has had, if it is dynamic, since it was released.
        attempts: how many since it last lived for long.
        lived: how long it has lived.
        was_told: whether it ended as its supervisor had told it to.
        on_request: whether it was started last as somebody had asked for it.
        in_doubt: whether it is not known if it ended by itself.
    """

    key: str
    restart: str
    ref: Ref[Any] | None = None
    state: str = "new"
    since: float = 0.0
    reason: Any = None
    restarts: int = 0
    attempts: int = 0
    lived: float = 0.0
    was_told: bool = False
    on_request: bool = False
    in_doubt: bool = False

    @property
    def runs(self) -> bool:
        """Return whether a process of it lives."""
        return self.ref is not None and self.ref.is_alive()

    @property
    def wants_restart(self) -> bool:
        """Return whether it is to be restarted, by what has become of it."""
        if self.state != "ended":
            return self.state == "failed"
        graceful = is_graceful(self.reason)
        return self.restart == "permanent" or (self.restart == "transient" and not graceful)


@dataclass(slots=True, eq=False)
class Household:
    """One life of a supervisor."""

    key: str
    ref: Ref[Any]
    rules: Rules
    kids: dict[str, Kid]
    parent: Household | None
    # For each round, between which times the restart was counted.
    rounds: list[tuple[float, float]] = field(default_factory=list)
    # Which child comes next in this round, by number; `None` between two rounds.
    next: int | None = 0
    initial: bool = True
    # Whom somebody has it start or end, now.
    starting: Counter[str] = field(default_factory=Counter)
    ending: Counter[str] = field(default_factory=Counter)
    gave_up: bool = False
    failed: str | None = None

    def others(self, kid: Kid) -> list[Kid]:
        """Return those that are restarted with a child."""
        kids, strategy = list(self.kids.values()), self.rules.strategy
        if strategy == "one_for_all":
            return [one for one in kids if one is not kid]
        return kids[kids.index(kid) + 1 :] if strategy == "rest_for_one" else []

    def may_have_let_go(self, kid: Kid) -> bool:
        """Return whether a child that ended by itself may have been ended by request as well.

        As in OTP, a request that comes between the end of a child and its EXIT leaves it ended.
        Whoever has asked, and has died of the same end, hears nothing of it.
        """
        return kid.wants_restart and self.ending[kid.key] > 0

    def counted(self, at: float, *, certain: bool) -> int:
        """Return how many restarts lie in the window at a time: certainly, or perhaps."""
        first = math.floor(at) - self.rules.seconds
        return sum(math.floor(lo if certain else hi) >= first for lo, hi in self.rounds)


class Households(Auditor):
    """Follows each supervisor through its life."""

    def __init__(self, ledger: Ledger, ties: Ties) -> None:
        super().__init__(ledger)
        self._ties = ties
        ties.may_be_ended = self.may_be_ended
        self._of: dict[Ref[Any], Household] = {}
        self._latest: dict[str, Household] = {}
        self._kids: dict[Ref[Any], tuple[Household, Kid]] = {}

    def latest(self, key: str) -> Household | None:
        """Return the last life of a supervisor."""
        return self._latest.get(key)

    def all(self) -> list[Ref[Any]]:
        """Return the supervisors, dead ones too."""
        return list(self._of)

    def has(self, ref: Ref[Any] | None, key: str) -> bool:
        """Return whether a supervisor has a child with this key, or may have."""
        house = self._of.get(ref) if ref is not None else None
        return house is not None and (key in house.kids or house.starting[key] > 0)

    def ask(self, ref: Ref[Any], key: str, *, start: bool) -> None:
        """Take note that somebody asks a supervisor to start a child, or to end it."""
        house = self._of[ref]
        (house.starting if start else house.ending)[key] += 1

    def has_answered(self, ref: Ref[Any], key: str, *, start: bool) -> None:
        """Take note that it has; not told if whoever asked has died meanwhile.

        What is asked then may be done or not, and stays asked.
        """
        self.ledger.catch_up()
        house = self._of[ref]
        (house.starting if start else house.ending)[key] -= 1

    def terminated(self, ref: Ref[Any], key: str) -> None:
        """Take note that a child has been ended, or will not be restarted, by request."""
        house = self._of[ref]
        kid = house.kids.get(key)
        if kid is None or kid.runs:
            return  # Gone with its end, or started again since.
        kid.state = "idle"
        if house.rules.strategy == "dynamic":
            del house.kids[key]

    # The supervisors and the start functions tell

    def opens(
        self, ref: Ref[Any], key: str, rules: Rules, restarts: dict[str, str], parent: str | None
    ) -> None:
        """Take note that a supervisor begins."""
        kids = {one: Kid(one, restart) for one, restart in restarts.items()}
        above = self._latest.get(parent) if parent is not None else None
        self._of[ref] = self._latest[key] = Household(key, ref, rules, kids, above)
        if not kids:
            self._of[ref].initial, self._of[ref].next = False, None
        self.ledger.born(ref)
        self._ties.silent[ref] = None
        if above is not None:
            self._ties.linked(above.ref, ref)

    def begins(self, ref: Ref[Any], key: str, restart: str) -> None:
        """Take note that a supervisor is about to start a child."""
        self.ledger.catch_up()
        house, now = self._of[ref], self.ledger.now()
        if house.starting[key] and key not in house.kids:
            house.kids[key] = Kid(key, restart)
        kid = house.kids.get(key)
        if kid is None:
            self.ledger.object(WANTED, ref, key, "it has been forgotten")
            return
        if not ref.is_alive():
            self.ledger.object(STARTER, ref, key)
        if kid.runs:
            self.ledger.object(TWICE, ref, key, kid.ref)
        number = list(house.kids).index(key)
        kid.on_request = house.starting[key] > 0 and self._is_free(house, kid)
        if kid.on_request:
            if house.may_have_let_go(kid):  # Or it is restarted, which is counted and tried again.
                house.rounds.append((LONG_AGO, now))
                kid.in_doubt = True
            kid.restarts = kid.attempts = 0
        elif house.rules.strategy == "dynamic":
            self._again(house, kid, now)
        elif house.next is not None and (house.initial or house.next == number):
            if house.next != number:
                self.ledger.object(ORDER, ref, key, house.next)
            self._go_on(house, number)
        else:
            self._round(house, kid, now)
            self._go_on(house, number)
        kid.state, kid.since, kid.ref = "starting", now, None
        kid.was_told, kid.reason = False, None

    def _is_free(self, house: Household, kid: Kid) -> bool:
        """Return whether a child may be started on request, and not by the supervisor itself."""
        is_idle = kid.state in ("new", "idle") or self._is_quarantined(house, kid)
        return is_idle or (house.rules.strategy != "dynamic" and house.may_have_let_go(kid))

    def _go_on(self, house: Household, number: int) -> None:
        more = number + 1 < len(house.kids)
        alone = house.rules.strategy == "one_for_one" and not house.initial
        house.next = number + 1 if more and not alone else None

    def started(self, ref: Ref[Any], key: str, process: Ref[Any] | None) -> None:
        """Take note that a child has started; without a process, that it has nothing to do."""
        self.ledger.catch_up()
        house = self._of[ref]
        kid = house.kids[key]
        kid.ref, kid.since = process, self.ledger.now()
        house.initial = house.initial and house.next is not None
        if process is None:
            kid.state = "idle"
            return
        kid.state, kid.in_doubt = "running", False
        self._kids[process] = (house, kid)
        if not process.is_alive():
            self._ended(house, kid, process.exit_reason)

    def failed(self, ref: Ref[Any], key: str) -> None:
        """Take note that a child did not start."""
        self.ledger.catch_up()
        house = self._of[ref]
        kid = house.kids[key]
        kid.state, kid.since, house.next = "failed", self.ledger.now(), None
        house.failed = key
        if kid.on_request:
            kid.state = "idle"
            if house.rules.strategy == "dynamic":
                del house.kids[key]

    # Rounds

    def _round(self, house: Household, kid: Kid, now: float) -> None:
        """Take note of a restart that the supervisor has begun by itself."""
        object_, others = self.ledger.object, house.others(kid)
        together = [kid, *others] if house.rules.strategy == "one_for_all" else [kid]
        fallen = [one for one in together if one.wants_restart]
        if not fallen and kid.in_doubt:
            kid.in_doubt, fallen = False, [kid]
        if not fallen:
            object_(WANTED, house.ref, kid)
            return
        alive = [one.key for one in others if one.runs]
        if alive:
            object_(TOGETHER, house.ref, kid, alive)
        alone = house.rules.strategy == "one_for_one"
        house.rounds.append((now if alone else min(one.since for one in fallen), now))
        if house.counted(now, certain=True) > house.rules.most:
            object_(INTENSITY, house.ref, kid, house.rounds[-house.rules.most - 1 :])
        self._check_giving_up(house, kid)

    def _check_giving_up(self, house: Household, kid: Kid) -> None:
        """See whether a supervisor that ended by itself was right to do so."""
        last = self._latest.get(kid.key)
        may_be_told = house.rules.strategy == "one_for_all" or kid.state != "ended"
        if last is None or may_be_told or not is_word(kid.reason, "shutdown"):
            return
        if not last.gave_up:
            self.ledger.object(GIVES_UP, last.ref, last.rounds)

    def _may_give_up(self, house: Household) -> bool:
        """Return whether there have been more restarts than are allowed, perhaps."""
        fallen = [
            one.since for one in house.kids.values() if one.wants_restart and not one.was_told
        ]
        if not fallen or house.rules.strategy == "dynamic":
            return False
        at = max(min(fallen), house.rounds[-1][1] if house.rounds else 0.0)
        return house.counted(at, certain=False) >= house.rules.most

    def _again(self, house: Household, kid: Kid, now: float) -> None:
        """Take note that a dynamic child is restarted."""
        rules = house.rules
        if not kid.wants_restart:
            self.ledger.object(WANTED, house.ref, kid)
        kid.restarts += 1
        if kid.restarts > rules.most:
            self.ledger.object(BUDGET, house.ref, kid)
        if rules.backoff is None:
            return
        # It starts over for one that has lived long; how long is seen when it is over.
        if kid.lived > rules.backoff.longest - EPSILON:
            kid.attempts = 0
        kid.attempts, kid.lived = kid.attempts + 1, 0.0
        least = rules.backoff.delay(kid.attempts, 0.0)
        if now < kid.since + least - EPSILON:
            self.ledger.object(BACKOFF, house.ref, kid, least)

    # Deaths

    def died(self, ref: Ref[Any], reason: Any) -> None:
        if ref in self._of:
            self._of[ref].gave_up = self._may_give_up(self._of[ref])
        if ref in self._kids:
            self._ended(*self._kids[ref], reason)

    def _ended(self, house: Household, kid: Kid, reason: Any) -> None:
        now = self.ledger.now()
        kid.lived = now - kid.since
        kid.state, kid.since, kid.reason = "ended", now, reason
        infected = kid.ref is not None and self._ties.is_infected(kid.ref, reason)
        gave_up = kid.ref in self._of and self._of[kid.ref].gave_up
        kid.was_told = is_word(reason, "shutdown") and not (infected or gave_up)
        is_dynamic = house.rules.strategy == "dynamic"
        as_told = is_word(reason, "shutdown") or is_word(reason, "killed")
        if house.ending[kid.key] and (kid.was_told or (as_told and not is_dynamic)):
            # Or, if it was linked to one that ended so, perhaps by itself.
            kid.state = "idle"
            kid.in_doubt = not kid.was_told
        elif kid.was_told and not is_dynamic:
            kids = list(house.kids.values())
            later = [one.key for one in kids[kids.index(kid) + 1 :] if one.runs]
            if later and house.ref.is_alive():
                self.ledger.object(ENDING, house.ref, kid, later)
        if kid.restart == "temporary" or (kid.state == "idle" and is_dynamic):
            del house.kids[kid.key]

    def may_be_ended(self, ref: Ref[Any], reason: Any) -> bool:
        """Return whether a process may have been ended by its supervisor, or as one."""
        if ref in self._of and type(reason) is tuple and reason[0] == "shutdown":
            what, key, _ = reason[1]
            house = self._of[ref]
            return house.initial and what == "failed_to_start_child" and house.failed == key
        if reason not in ("shutdown", "killed"):
            return False
        if ref in self._kids:
            house, kid = self._kids[ref]
            if house.ending[kid.key] or kid.state == "idle" or self._hangs(house, kid):
                return True
            if self._is_ending(house):
                return True
        house_of = self._of.get(ref)
        return house_of is not None and (house_of.gave_up or house_of.initial)

    def _is_ending(self, house: Household) -> bool:
        if not house.ref.is_alive() or house.initial or self._may_give_up(house):
            return True
        above = house.parent
        if above is None:
            return self.ending
        kid = above.kids[house.key]
        return self._hangs(above, kid) or self._is_ending(above)

    def _hangs(self, house: Household, kid: Kid) -> bool:
        """Return whether a child is ended now as another that it hangs on is restarted."""
        return any(
            one.wants_restart and kid in house.others(one)
            for one in house.kids.values()
            if one is not kid
        )

    ending = False
    """Whether the whole tree is being ended."""

    def quarantined(self, message: Any) -> None:
        """Take note that a dynamic child is said to be in quarantine."""
        house = self._of[message.supervisor]
        kid = house.kids.get(message.id)
        if kid is not None and kid.restarts < house.rules.most:
            self.ledger.object(BUDGET, house.ref, kid, message)

    # Looking

    def rests(self) -> None:
        for house in self._of.values():
            alive = house.ref.is_alive()
            for kid in house.kids.values():
                if kid.runs and not alive:
                    self.ledger.object(ORPHAN, house.ref, kid)
                elif alive and kid.wants_restart and not self._may_stay_ended(house, kid):
                    self.ledger.object(RESTARTED, house.ref, kid)

    def _may_stay_ended(self, house: Household, kid: Kid) -> bool:
        return self._is_quarantined(house, kid) or house.may_have_let_go(kid)

    def _is_quarantined(self, house: Household, kid: Kid) -> bool:
        is_dynamic = house.rules.strategy == "dynamic"
        return is_dynamic and kid.wants_restart and kid.restarts == house.rules.most

    def compare(self, ref: Ref[Any], children: list[Any]) -> None:
        """Compare what a supervisor says of its children with what is known of them."""
        house = self._of[ref]
        dynamic = house.rules.strategy == "dynamic"
        said = [(one.id, one.process) for one in (children if dynamic else children[::-1])]
        if dynamic:  # It forgets whom it lets go.
            known_to_it = {key for key, _ in said}
            for kid in list(house.kids.values()):
                if kid.key not in known_to_it and house.may_have_let_go(kid):
                    del house.kids[kid.key]
        known = [(kid.key, self._shown(house, kid)) for kid in house.kids.values()]
        if (sorted(said, key=str) if dynamic else said) != (
            sorted(known, key=str) if dynamic else known
        ):
            self.ledger.object(CHILDREN, ref, said, known)

    def _shown(self, house: Household, kid: Kid) -> Any:
        if self._is_quarantined(house, kid):
            return "quarantined"
        return kid.ref if kid.state == "running" else None
