"""The time-outs of one state machine: which run, and which are due at once.

A plain value: the clock's timers are made and cancelled by functions that its user gives. The
rules are gen_statem's: one time-out of a key at a time, the last one set in a transition counts,
one of 0 seconds comes after the events that are queued already and before any message.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from beam.otp.transitions import KEEP

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from beam.otp.transitions import SetTimeout

__all__ = ["Expired", "Timeouts"]


class Expired:
    """The mail of a clock's timer."""

    __slots__ = ("key", "token")

    def __init__(self, key: Any, token: object) -> None:
        self.key = key
        self.token = token


class _Running:
    """A time-out that is set; `cancel` is `None` for one that is due at once."""

    __slots__ = ("cancel", "content")

    def __init__(self, content: Any) -> None:
        self.content = content
        self.cancel: Callable[[], object] | None = None


class Timeouts:
    """The time-outs of one state machine.

    Args:
        start: `start(seconds, key, token)` arranges that `expire(key, token)` is called then, and
            returns what cancels that.

    Attributes:
        due: the keys of those that are due at once, in their order.
    """

    __slots__ = ("_running", "_start", "due")

    def __init__(self, start: Callable[[float, Any, object], Callable[[], object]]) -> None:
        self._start = start
        self._running: dict[Any, _Running] = {}
        self.due: list[Any] = []

    def __bool__(self) -> bool:
        return bool(self._running)

    def apply(self, settings: Sequence[SetTimeout]) -> None:
        """Do what a transition's actions say, the last of each key."""
        last: dict[Any, SetTimeout] = {}
        for setting in settings:
            last.pop(setting.key, None)  # So that the order is that of the settings that count.
            last[setting.key] = setting
        for setting in last.values():
            self._set(setting)

    def _set(self, setting: SetTimeout) -> None:
        key = setting.key
        if setting.seconds is None:
            self.cancel(key)
            return
        running = self._running.get(key)
        if setting.seconds is KEEP and running is not None:
            running.content = setting.content
            return
        self.cancel(key)
        fresh = self._running[key] = _Running(setting.content)
        if setting.seconds is KEEP or setting.seconds == 0:
            self.due.append(key)
        else:
            fresh.cancel = self._start(setting.seconds, key, fresh)

    def cancel(self, key: Any) -> None:
        """Cancel the time-out of `key`, if it runs."""
        running = self._running.pop(key, None)
        if running is None:
            return
        if running.cancel is None:
            self.due.remove(key)
        else:
            running.cancel()

    def cancel_all(self) -> None:
        """Cancel every time-out."""
        for key in list(self._running):
            self.cancel(key)

    def expire(self, key: Any, token: object) -> tuple[bool, Any]:
        """Take note that a clock's timer has fired.

        Returns:
            Whether it counts, and its content: one that was cancelled or replaced after it had
            fired does not.
        """
        running = self._running.get(key)
        if running is None or running is not token:
            return False, None
        del self._running[key]
        return True, running.content

    def take_due(self) -> tuple[Any, Any]:
        """Take the first of those that are due at once: its key and content."""
        key = self.due.pop(0)
        return key, self._running.pop(key).content
