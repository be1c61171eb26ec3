"""`ModelSession`: a conversation with a model provider as a process, without a fleet.

    >>> from beam.otp import Mailbox
    >>> from beam.providers.local import local
    >>> def model(request):
    ...     said = request["messages"][-1]["content"]
    ...     return {"choices": [{"message": {"content": said.upper()}, "finish_reason": "stop"}]}
    >>> with Mailbox() as me:
    ...     session = ModelSession.start(local(model), handler=print, prompt="hello", notify=me.ref)
    ...     first = me.receive(timeout=5.0).text
    ...     session.proxy().message("again").get()
    ...     first, me.receive(timeout=5.0).text, session.stop()
    ('HELLO', 'AGAIN', True)

It stays alive after a request. How each request ends, `SessionResult` or exception, is told to
`notify`, and what fails is always told. It reconnects a stream that drops. One whose provider polls
ends with `("loop_failed", reason)` after a request that failed, so that its supervisor restarts it.

It has an event loop on a thread of its own, and four more: for many sessions take a fleet, which
has one loop for all (`beam.sessions.loop_backend`).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from beam.errors import BeamError, InvalidInput, Refused
from beam.otp import Exit, Server, noreply
from beam.ports.loop import LoopThread
from beam.providers.provider import Provider
from beam.sessions.loop_options import LoopOptions
from beam.sessions.loop_run import notifier
from beam.sessions.loop_session import LoopSession

if TYPE_CHECKING:
    from collections.abc import Coroutine
    from concurrent.futures import Future

    from beam.providers.values import SessionInfo, SessionResult

__all__ = ["ModelSession"]

CLOSING_S = 15.0
"""How long the provider may take to let go, all in all."""


class _Broken:
    """Cast: a request of a provider that polls has failed."""

    __slots__ = ("error",)
    __match_args__ = ("error",)

    def __init__(self, error: Exception) -> None:
        self.error = error


class ModelSession(Server):
    """One live conversation; see the module.

    Start it with the provider and the options of `beam.run`, but `timeout`. If an option is wrong,
    or the provider cannot be opened, `start` raises `Refused` with the reason of the error, which
    is its `__cause__`.
    """

    trap_exit = True

    def init(self, provider: Provider, **options: Any) -> None:
        """Open the conversation, and begin."""
        self._loop = LoopThread("beam-model-session")
        try:
            wanted = LoopOptions.of(options)
            if not isinstance(provider, Provider):
                raise InvalidInput("provider", provider, "a Provider")
            self._notify = notifier(wanted.notify)
            self._polls = provider.mode == "request_response"
            self._session = LoopSession(provider, wanted, self._ended, live=True)
            self._loop.start()
            self._loop.submit(self._session.open()).result()
        except BaseException as error:
            self._loop.stop()
            if not isinstance(error, BeamError):
                raise
            raise Refused(error.reason, error=str(error)) from error

    def terminate(self, reason: Any) -> None:
        """End what is at work, and let go of the conversation."""
        try:
            self._loop.submit(self._session.close()).result(CLOSING_S)
        finally:
            self._loop.stop()

    def message(self, text: str) -> Any:
        """Take a request; it waits for the one at work.

        Raises:
            QueueFull: a thousand wait already.
        """
        return self._answered_by(self._message(text))

    def send_event(self, event: Any) -> Any:
        """Send the provider an event of its own kind as it is; changes nothing else.

        Raises:
            NotSupported: `unsupported`; the provider has no stream.
        """
        return self._answered_by(self._session.send_event(event))

    def interrupt(self) -> Any:
        """End the request at work; it is told as `interrupted`."""
        return self._answered_by(self._interrupt())

    def info(self) -> SessionInfo:
        """Return which conversation it is."""
        return self._session.info()

    def handle_cast(self, message: Any) -> None:
        """End, because a request has failed."""
        match message:
            case _Broken(error):
                reason = error.reason if isinstance(error, BeamError) else error
                self.stop(("loop_failed", reason))
            case _:
                super().handle_cast(message)

    def handle_info(self, message: Any) -> None:
        """End when somebody does that it is linked to."""
        match message:
            case Exit(reason="normal"):
                pass
            case Exit(reason=reason):
                self.stop(reason)
            case _:
                super().handle_info(message)

    # On the loop

    def _ended(self, outcome: SessionResult | Exception) -> None:
        self._notify(outcome)
        if self._polls and isinstance(outcome, Exception):
            self.actor_ref.cast(_Broken(outcome))

    async def _message(self, text: str) -> None:
        self._session.message(text)

    async def _interrupt(self) -> None:
        self._session.interrupt()

    def _answered_by(self, work: Coroutine[Any, Any, None]) -> Any:
        """Do something on the loop, and answer the call at hand when it is done."""
        caller = self.caller

        def answer(done: Future[None]) -> None:
            if caller is None:
                return
            error = done.exception()
            if error is None:
                caller.reply(None)
            else:
                refused = isinstance(error, Refused)
                caller.refuse(error if refused else Refused("not_sent", error=str(error)))

        self._loop.submit(work).add_done_callback(answer)
        return noreply
