"""`Supervisor`: OTP's supervisor, which starts children, and restarts those that crash.

    >>> from beam.otp import Server, Supervisor, child, supervisor
    >>> class Counter(Server):
    ...     def init(self, start=0):
    ...         self.count = start
    >>> tree = Supervisor.start(
    ...     [
    ...         child(Counter, 10, id="ten"),
    ...         supervisor([child(Counter, n, id=n) for n in range(3)], id="small"),
    ...     ],
    ...     strategy="rest_for_one", max_restarts=3, max_seconds=5,
    ... )
    >>> [line.id for line in tree.which_children()]
    ['small', 'ten']
    >>> tree.count_children()
    Counts(specs=2, active=2, supervisors=1, workers=1)
    >>> tree.terminate_child("ten")
    >>> tree.restart_child("ten").proxy().count.get()
    10
    >>> tree.stop(reason="shutdown")
    True

Children are started in order, each when the one before has returned from `init`, and ended in the
reverse order. One that ends by itself is restarted, as its `restart` says, and the others with
it, as the `strategy` says. After more than `max_restarts` restarts in `max_seconds` the supervisor
ends its children and itself with `"shutdown"`, for its own supervisor to do something about it.

What happens in which case is what OTP 25 does (G10). `with tree:` stops the tree at the end of the
block. A class of one's own is OTP's callback module:

    >>> class App(Supervisor):
    ...     def init(self, size):
    ...         children = [child(Counter, n, id=n) for n in range(size)]
    ...         return super().init(children, strategy="one_for_all")
    >>> with App.start(4) as app:
    ...     app.count_children().active
    4

Its `init` may also return the list of children, for the default flags, or `ignore`.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any, ClassVar, NamedTuple

from beam.errors import InvalidSpec
from beam.otp.child import DEFAULT, ChildSpec, checked_all
from beam.otp.flags import AutoShutdown, Flags, Strategy
from beam.otp.simple_one_for_one import SimpleOneForOne
from beam.otp.static_supervision import StaticSupervision
from beam.otp.supervisor_process import Keeper, SupervisorProcess
from beam.otp.supervisor_ref import SupervisorRef

if TYPE_CHECKING:
    from collections.abc import Hashable

    from beam.otp.child import Restart
    from beam.otp.ref import Ref
    from beam.otp.shutdown import Shutdown

__all__ = ["Supervisor", "supervisor"]


class Plan(NamedTuple):
    """Flags and children that go together."""

    flags: Flags
    children: list[ChildSpec]


class Supervisor(SupervisorProcess[SupervisorRef[Any]], framework=True):
    """A process that starts children, and restarts those that crash; see the module."""

    ref_class: ClassVar[type[Ref[Any]]] = SupervisorRef

    def init(
        self,
        children: Iterable[ChildSpec | Mapping[str, Any]] | Plan = (),
        *,
        strategy: Strategy = "one_for_one",
        max_restarts: int = 1,
        max_seconds: int = 5,
        auto_shutdown: AutoShutdown = "never",
    ) -> Any:
        """Say what to supervise; the arguments are those of `start`.

        Args:
            children: their specifications, in the order of their start; exactly one, the
                template, for `simple_one_for_one`.
            strategy: who is restarted with a child that ended (see `Flags`).
            max_restarts: how many restarts in `max_seconds` are bearable.
            max_seconds: the length of the restart window, in whole seconds.
            auto_shutdown: whether the end of significant children ends the supervisor.

        Returns:
            What a class of one's own returns from its `init`.

        Raises:
            InvalidSpec: if one of them is not what it must be.
        """
        if isinstance(children, Plan):
            return children
        return _plan(children, Flags(strategy, max_restarts, max_seconds, auto_shutdown))

    @classmethod
    def _checked(
        cls, args: tuple[Any, ...], kwargs: dict[str, Any]
    ) -> tuple[tuple[Any, ...], dict[str, Any]]:
        if cls.init is not Supervisor.init:
            return args, kwargs
        return (cls.__new__(cls).init(*args, **kwargs),), {}

    def _keep(self, plan: Any) -> Keeper:
        if isinstance(plan, (list, tuple)) and not isinstance(plan, Plan):
            plan = _plan(plan, Flags())
        if not isinstance(plan, Plan):
            expected = "children, what super().init() returned, or ignore"
            reason = ("bad_return", (type(self), "init", plan))
            raise InvalidSpec("init", plan, expected, reason)
        if plan.flags.strategy == "simple_one_for_one":
            return SimpleOneForOne(self._control, plan.flags, plan.children[0])
        return StaticSupervision(self._control, plan.flags, plan.children)


def supervisor(
    children: Iterable[ChildSpec | Mapping[str, Any]],
    *,
    id: Hashable = "Supervisor",  # noqa: A002 - OTP's word
    strategy: Strategy = "one_for_one",
    max_restarts: int = 1,
    max_seconds: int = 5,
    auto_shutdown: AutoShutdown = "never",
    name: Hashable | None = None,
    restart: Restart = "permanent",
    shutdown: Shutdown = DEFAULT,
    significant: bool = False,
) -> ChildSpec:
    """Return the specification of a supervisor as a child of another.

    Args:
        children: as for `Supervisor.start`, and so the next four.
        id: names it in the supervisor above.
        strategy: who is restarted with a child that ended.
        max_restarts: how many restarts in `max_seconds` are bearable.
        max_seconds: the length of the restart window, in whole seconds.
        auto_shutdown: whether the end of significant children ends it.
        name: what it is registered under.
        restart: when it is restarted itself (see `ChildSpec`, and so the next two).
        shutdown: seconds that it has to end; `None`, the default, without end.
        significant: whether its end may end the supervisor above.

    Raises:
        InvalidSpec: if one of them is not what it must be.
    """
    plan = _plan(children, Flags(strategy, max_restarts, max_seconds, auto_shutdown))
    return ChildSpec(
        id,
        Supervisor,
        (plan,),
        name=name,
        restart=restart,
        significant=significant,
        shutdown=shutdown,
    )


def _plan(children: Iterable[ChildSpec | Mapping[str, Any]], flags: Flags) -> Plan:
    """Return the plan of a supervisor.

    Raises:
        InvalidSpec: with OTP's `("start_spec", ...)` or `("bad_start_spec", ...)` as `reason`.
    """
    if flags.strategy == "simple_one_for_one":
        children = list(children)
        if len(children) != 1:
            reason: Any = ("bad_start_spec", children)
            expected = "exactly one template for simple_one_for_one"
            raise InvalidSpec("children", children, expected, reason)
    try:
        return Plan(flags, checked_all(children, flags.auto_shutdown))
    except InvalidSpec as invalid:
        reason = ("start_spec", invalid.reason)
        raise InvalidSpec(invalid.field, invalid.value, invalid.expected, reason) from invalid
