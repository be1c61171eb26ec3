"""Child specifications: what a supervisor starts, and how it looks after it.

    >>> from beam.otp import Server
    >>> class Cache(Server):
    ...     def init(self, size=10):
    ...         self.size = size
    >>> spec = child(Cache, 100, name="cache", restart="transient")
    >>> spec.id, spec.args, spec.restart, spec.shutdown, spec.type
    ('Cache', (100,), 'transient', 5.0, 'worker')

A spec is a value: it can be kept, compared and used many times. What is wrong in it is refused
when it is made, in the order of OTP's `supervisor:check_childspecs/1` and with OTP's terms in
`InvalidSpec.reason`; what depends on the supervisor (`significant`, ids that are there twice) is
refused by the supervisor.
"""

from __future__ import annotations

import enum
import math
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, fields
from types import ModuleType, SimpleNamespace
from typing import TYPE_CHECKING, Any, Literal, NoReturn, TypeAlias

from beam.errors import InvalidSpec
from beam.otp.process import Process
from beam.otp.shutdown import Shutdown

if TYPE_CHECKING:
    from collections.abc import Hashable

__all__ = ["DEFAULT", "ChildSpec", "Restart", "Shutdown", "checked", "checked_all", "child"]

Restart: TypeAlias = Literal["permanent", "transient", "temporary"]

# Seconds that a worker has to end, unless its spec says otherwise (OTP's 5000 ms).
WORKER_SHUTDOWN = 5.0


class _Default(enum.Enum):
    DEFAULT = "default"

    def __repr__(self) -> str:
        return "DEFAULT"


# The default of fields whose value follows from others; gone once a spec is made, hence the type.
DEFAULT: Any = _Default.DEFAULT


@dataclass(frozen=True, slots=True)
class ChildSpec:
    """One child of a supervisor; `child` makes it with less to write.

    Attributes:
        id: names the child in its supervisor; any hashable value.
        start: a class of processes; or a function that starts a process linked to the supervisor,
            in which it is called, and returns its ref, `(ref, info)`, or `ignore`. If it raises
            `StartError` or `Refused`, the child did not start, with that reason; if anything
            else, with `("EXIT", Crash(error))`.
        args, kwargs: for `init`, or the function.
        name: what the process is registered under; for a class only.
        timeout: seconds that `init` may take, `None` without end; for a class only.
        restart: `"permanent"`: always; `"transient"`: unless it ended with `"normal"`,
            `"shutdown"` or `("shutdown", ...)`; `"temporary"`: never, and then it is forgotten.
        significant: whether its end may end the supervisor (`auto_shutdown`).
        shutdown: seconds it has to end when it is told to, before it is killed; `None` without
            end; `"brutal"` kills it at once. 5.0 for workers and `None` for supervisors.
        type: `"worker"` or `"supervisor"`; says no more than the default of `shutdown` and what
            `count_children` counts. From the class unless given.
        modules: what the child is made of, for tools: classes, modules or their names, or
            `"dynamic"`. From `start` unless given.

    Raises:
        InvalidSpec: naming the field, with OTP's term as `reason`.
    """

    id: Hashable
    start: Callable[..., Any]
    args: tuple[Any, ...] = ()
    kwargs: dict[str, Any] = field(default_factory=dict)
    name: Hashable | None = None
    timeout: float | None = None
    restart: Restart = "permanent"
    significant: bool = False
    shutdown: Shutdown = DEFAULT
    type: Literal["worker", "supervisor"] = DEFAULT
    modules: tuple[Any, ...] | Literal["dynamic"] = DEFAULT
    is_class: bool = field(init=False, repr=False, compare=False)
    """Whether `start` is a class of processes, rather than a function that starts one."""
    starts_in_place: bool = field(init=False, repr=False, compare=False)
    """Whether `init` runs on the thread of whoever starts the child, which waits for no other."""

    def __post_init__(self) -> None:
        _check(self, None)
        put, start = object.__setattr__, self.start
        is_class = isinstance(start, type) and issubclass(start, Process)
        put(self, "is_class", is_class)
        in_place = is_class and self.timeout is None and start.blocking is not True  # type: ignore[attr-defined]
        put(self, "starts_in_place", in_place)
        if self.type is DEFAULT:
            put(self, "type", "supervisor" if _is_supervisor(self.start) else "worker")
        if self.shutdown is DEFAULT:
            put(self, "shutdown", WORKER_SHUTDOWN if self.type == "worker" else None)
        if self.modules is DEFAULT:
            put(self, "modules", (self.start,))
        elif self.modules != "dynamic":
            put(self, "modules", tuple(self.modules))
        put(self, "args", tuple(self.args))
        put(self, "kwargs", dict(self.kwargs))


def child(
    start: Callable[..., Any],
    /,
    *args: Any,
    id: Hashable | None = None,  # noqa: A002 - OTP's word
    name: Hashable | None = None,
    timeout: float | None = None,
    restart: Restart = "permanent",
    significant: bool = False,
    shutdown: Shutdown = DEFAULT,
    **kwargs: Any,
) -> ChildSpec:
    """Return the specification of a child.

    Args:
        start: a class of processes, or a function that starts one (see `ChildSpec.start`).
        *args: for its `init`, or the function.
        id: names the child in its supervisor; the name of the class unless given.
        name: what the process is registered under; for a class only.
        timeout: seconds that `init` may take, `None` without end; for a class only.
        restart: `"permanent"`, `"transient"` or `"temporary"` (see `ChildSpec`).
        significant: whether its end may end the supervisor.
        shutdown: seconds to end, `None` without end, or `"brutal"`.
        **kwargs: for its `init`, or the function.

    Raises:
        InvalidSpec: if one of them is not what it must be.
    """
    if id is None:
        id = getattr(start, "__name__", None)  # noqa: A001
    if id is None:
        expected = "an id, as `start` has no name to take it from"
        raise InvalidSpec("id", None, expected, "missing_id")
    return ChildSpec(id, start, args, kwargs, name, timeout, restart, significant, shutdown)


def checked(spec: object, auto_shutdown: str | None = None) -> ChildSpec:
    """Return `spec` if a supervisor with this `auto_shutdown` can take it.

    Args:
        spec: a `ChildSpec`, or a mapping of its fields (OTP's map; `id` and `start` at least).
        auto_shutdown: the supervisor's; `None` checks only what does not depend on it.

    Raises:
        InvalidSpec: if it cannot.
    """
    if isinstance(spec, ChildSpec):
        if spec.significant:
            _check_significant(spec, auto_shutdown)
        return spec
    if not isinstance(spec, Mapping):
        expected = "a ChildSpec, as child() and supervisor() make it, or a mapping of its fields"
        raise InvalidSpec("child", spec, expected, ("invalid_child_spec", spec))
    known = {one.name: one.default for one in fields(ChildSpec) if one.init}
    for key in spec:
        if key not in known:
            expected = f"only the fields {', '.join(known)}"
            raise InvalidSpec("child", key, expected, ("invalid_child_spec", spec))
    for key in ("id", "start"):
        if key not in spec:
            raise InvalidSpec(key, spec, f"a field {key!r} in the mapping", f"missing_{key}")
    _check(SimpleNamespace(**{**known, "kwargs": {}, **spec}), auto_shutdown)
    return ChildSpec(**spec)


def checked_all(specs: object, auto_shutdown: str | None = None) -> list[ChildSpec]:
    """Return the specs if a supervisor can take them all (OTP's `check_childspecs/2`).

    Raises:
        InvalidSpec: naming the first that it cannot take, or an id that is there twice.
    """
    if not isinstance(specs, Iterable) or isinstance(specs, (str, bytes, Mapping)):
        expected = "a list of child specifications"
        raise InvalidSpec("children", specs, expected, ("badarg", specs))
    children: dict[Hashable, ChildSpec] = {}
    for one in specs:
        spec = checked(one, auto_shutdown)
        if spec.id in children:
            reason = ("duplicate_child_name", spec.id)
            raise InvalidSpec("id", spec.id, "an id that no other child has", reason)
        children[spec.id] = spec
    return list(children.values())


def _check(spec: Any, auto_shutdown: str | None) -> None:
    """Check the fields of `spec` in OTP's order, so that the first that is wrong is the same."""
    _check_id(spec.id)
    _check_start(spec)
    if spec.restart not in ("permanent", "transient", "temporary"):
        expected = '"permanent", "transient" or "temporary"'
        _refuse("restart", spec.restart, expected, "invalid_restart_type")
    _check_significant(spec, auto_shutdown)
    if spec.type is not DEFAULT and spec.type not in ("worker", "supervisor"):
        _refuse("type", spec.type, '"worker" or "supervisor"', "invalid_child_type")
    if not _is_shutdown(spec.shutdown):
        expected = 'seconds, 0 or more, "brutal", or None for no limit'
        _refuse("shutdown", spec.shutdown, expected, "invalid_shutdown")
    _check_modules(spec.modules)


def _check_id(child_id: object) -> None:
    try:
        hash(child_id)
    except TypeError:
        _refuse("id", child_id, "a hashable value", "invalid_id")


def _check_start(spec: Any) -> None:
    if not callable(spec.start):
        expected = "a class of processes, or a function that starts one"
        _refuse("start", spec.start, expected, "invalid_mfa")
    if not isinstance(spec.args, (tuple, list)):
        _refuse("args", spec.args, "a tuple or list of arguments", "invalid_mfa")
    if not isinstance(spec.kwargs, Mapping):
        _refuse("kwargs", spec.kwargs, "a mapping of arguments by name", "invalid_mfa")
    if spec.timeout is not None and not (_is_number(spec.timeout) and spec.timeout > 0):
        _refuse("timeout", spec.timeout, "seconds above 0, or None", "invalid_mfa")
    is_class = isinstance(spec.start, type) and issubclass(spec.start, Process)
    for option in ("name", "timeout"):
        value = getattr(spec, option)
        if value is not None and not is_class:
            _refuse(option, value, "None, as the start function is yours", "invalid_mfa")


def _check_significant(spec: Any, auto_shutdown: str | None) -> None:
    if spec.significant is True and auto_shutdown is not None:
        if auto_shutdown == "never":
            expected = "False under a supervisor whose auto_shutdown is 'never'"
            combination: list[tuple[str, Any]] = [("auto_shutdown", "never"), ("significant", True)]
        elif spec.restart == "permanent":
            expected = "False for a permanent child, which never ends for good"
            combination = [("restart", "permanent"), ("significant", True)]
        else:
            return
        raise InvalidSpec("significant", True, expected, ("bad_combination", combination))
    if not isinstance(spec.significant, bool):
        _refuse("significant", spec.significant, "True or False", "invalid_significant")


def _check_modules(modules: object) -> None:
    if modules is DEFAULT or modules == "dynamic":
        return
    if not isinstance(modules, (tuple, list)):
        _refuse("modules", modules, 'a list of classes or modules, or "dynamic"', "invalid_modules")
    for one in modules:
        if not isinstance(one, (str, ModuleType)) and not callable(one):
            _refuse("modules", one, "classes, modules or their names in it", "invalid_module")


def _refuse(name: str, value: object, expected: str, word: str) -> NoReturn:
    raise InvalidSpec(name, value, expected, (word, value))


def _is_shutdown(value: object) -> bool:
    if value is None or value is DEFAULT or value == "brutal":
        return True
    return _is_number(value) and value >= 0  # type: ignore[operator]  # a number


def _is_number(value: object) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool) and math.isfinite(value)


def _is_supervisor(start: object) -> bool:
    return isinstance(start, type) and issubclass(start, Process) and start.renders_reports
