"""The auditor of what is asked of supervisors: the pool, the crew, and tasks."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from beam.errors import (
    CallCycle,
    CallExit,
    CallTimeout,
    DeadlineExpired,
    QueueFull,
    Refused,
    SupervisorRefused,
)
from beam.otp import Crash, current_node
from tests.simulation.ledger import Auditor
from tests.simulation.ties import Planned

if TYPE_CHECKING:
    from collections.abc import Callable

    from beam.otp import Ref
    from tests.simulation.world import World

VALUE = "a task's value is that of its function, and its process has ended then"


class Chores(Auditor):
    """Asks supervisors to do something, and looks at what they say.

    Args:
        world: where they are.
    """

    def __init__(self, world: World) -> None:
        super().__init__(world.ledger)
        self._world = world
        self.spec: Callable[[str], Any] = lambda key: None
        """Returns the specification of a process of the pool."""

    # Supervisors

    def _ask(
        self,
        me: Ref[Any] | None,
        name: str,
        key: str,
        what: Callable[[Any], Any],
        *,
        start: bool = True,
    ) -> Any:
        """Have a supervisor do something about one child; return what it says, or why not."""
        world = self._world
        ref = world.whereis(name)
        if ref is None:
            return None
        world.households.ask(ref, key, start=start)
        if me is not None:
            world.calls.waits[me] = ref
        try:
            said = what(ref)
        except (SupervisorRefused, CallExit, CallCycle) as error:
            said = error
        finally:
            if me is not None:
                del world.calls.waits[me]
        # Whoever is ended while it waits, or asks for its own end, has asked nevertheless.
        if type(said) is not CallCycle:
            world.households.has_answered(ref, key, start=start)
        return said

    def hire(self, me: Ref[Any] | None, key: str) -> None:
        """Have a process started in the pool."""
        if not self._world.households.has(self._world.whereis("pool"), key):
            self._ask(me, "pool", key, lambda pool: pool.start_child(self.spec(key)))

    def fire(self, me: Ref[Any], key: str, *, release: bool) -> None:
        """Have a process of the pool ended, or let out of quarantine."""
        if release:
            self._ask(me, "pool", key, lambda pool: pool.release(key))
        else:
            self._ask(me, "pool", key, lambda pool: self._terminate(pool, key), start=False)

    def dismiss(self, me: Ref[Any], key: str) -> None:
        """Have a process of the crew ended, and started again."""
        self._ask(me, "crew", key, lambda crew: self._terminate(crew, key), start=False)
        self._ask(me, "crew", key, lambda crew: crew.restart_child(key))

    def _terminate(self, ref: Any, key: str) -> None:
        ref.terminate_child(key)
        self._world.households.terminated(ref, key)

    def ask_supervisors(self) -> None:
        """Compare what each supervisor says of its children with what is known."""
        for ref in self._world.households.all():
            if ref.is_alive():
                self._world.households.compare(ref, ref.which_children())
        self.ledger.look()

    # Tasks

    def delegate(self, me: Ref[Any], how: str, number: int) -> None:
        """Have a task done, and wait for its value."""
        world = self._world
        tasks: Any = world.whereis("tasks")
        if tasks is None:
            return
        world.calls.waits[me] = tasks
        try:
            task = tasks.run_nolink(job, how, number, timeout=0.5 if how == "late" else None)
        except (QueueFull, CallExit, CallCycle):
            return
        finally:
            del world.calls.waits[me]
        try:
            value = task.get(timeout=3.0)
        except Refused as refusal:
            right = how == "refuse" and refusal.facts == {"number": number}
        except DeadlineExpired:
            right = True
        except CallTimeout:
            right = how == "late"
        except CallExit as gone:
            # The supervisor ends them with itself, before it is dead.
            right = gone.reason in ("shutdown", "noproc") or (
                how == "crash"
                and type(gone.reason) is Crash
                and type(gone.reason.exception) is Planned
            )
        else:
            right = how == "value" and value == ("value", number) and not task.process.is_alive()
        if not right:
            self.ledger.object(VALUE, me, task, how, number)


def job(how: str, number: int) -> Any:
    """Do a task."""
    node = current_node()
    node.sleep(5.0 if how == "late" else number * 0.02)
    if how == "refuse":
        raise Refused("odd", number=number)
    if how == "crash":
        raise Planned(number)
    return ("value", number)
