"""A session in somebody else's tree: a process there that stands for it.

The session itself lives under the fleet's own supervisor, with its budget and its log. The process
here starts it, ends when it has ended, and stops it when its own supervisor ends it; so to that
supervisor it is a child like any other.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from beam.otp import Down, Server, child, demonitor, monitor

if TYPE_CHECKING:
    from beam.otp import ChildSpec
    from beam.sessions.handle import SessionHandle
    from beam.sessions.lifecycle import Lifecycle
    from beam.sessions.options import SessionOptions

__all__ = ["StandIn", "stand_in_child"]

# Seconds that a session has to end.
SHUTDOWN = 10.0
# Seconds between two looks at a session that is being restarted.
LOOK_AGAIN = 0.05


class _Look:
    """Mail to itself: see how the session stands."""


class StandIn(Server):
    """The process that stands for a session."""

    trap_exit = True

    def init(self, lifecycle: Lifecycle, options: SessionOptions) -> None:
        """Start the session, or take on the one that a former life of this process has started.

        Args:
            lifecycle: starts and ends sessions.
            options: the session's; with a backend, and with its id.
        """
        session_id = options.session_id
        assert session_id is not None
        status = lifecycle.status(session_id)
        if status == "quarantined":
            self._session = lifecycle.release(session_id)
        elif status in (None, "closed"):
            self._session = lifecycle.start(options)
        else:
            self._session = lifecycle.handle(session_id)
        self._watched: Any = None
        self._look()

    @property
    def session(self) -> SessionHandle:
        """The session's handle."""
        return self._session

    def _look(self) -> None:
        status = self._session.status()
        if status in ("closed", None):
            self.stop("normal")
            return
        if status == "quarantined":
            self.stop(("session_quarantined", self._session.id))
            return
        process = self.node.whereis(self._session.id)
        if process is None:
            self.send_after(LOOK_AGAIN, _Look())
        else:
            self._watched = monitor(process)

    def handle_info(self, message: Any) -> None:
        """See how the session stands when its process has ended."""
        match message:
            case Down():
                self._watched = None
                self.send_after(LOOK_AGAIN, _Look())
            case _Look():
                self._look()
            case _:
                super().handle_info(message)

    def terminate(self, reason: Any) -> None:
        """Stop the session, if it is its supervisor that ends this process."""
        if self._watched is not None:
            demonitor(self._watched)
        if reason == "shutdown":
            self._session.stop()


def stand_in_child(lifecycle: Lifecycle, options: SessionOptions) -> ChildSpec:
    """Return the child specification of a session, for any supervisor of the fleet's node.

    Transient, with 10 s to end, as the specification has it.
    """
    return child(
        StandIn,
        lifecycle,
        options,
        id=("session", options.session_id),
        restart="transient",
        shutdown=SHUTDOWN,
    )
