"""`beam.run`: one request to a model provider, through all of its turns.

`docs/loop.md` is the guide; `beam.sessions.loop_options` says what the options are.
"""

from __future__ import annotations

import asyncio
import threading
from typing import TYPE_CHECKING, Any

from beam.errors import InvalidOption, LoopFailed
from beam.logger import Logger
from beam.otp import Ref
from beam.otp.context import warn_if_on_loop
from beam.providers.pace import Late, within
from beam.providers.provider import Provider
from beam.providers.values import SessionResult
from beam.sessions.loop_options import LoopOptions
from beam.sessions.loop_session import LoopSession

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["aio", "notifier", "run"]

_log = Logger("beam.sessions")


def run(provider: Provider, **options: Any) -> SessionResult:
    """Run a request to completion and return what came of it.

    `handler` runs the tools, `prompt` is the request. The caller's thread waits; on the thread of
    a running event loop use `await beam.aio.run(...)`.

    Args:
        provider: who answers, such as `chat(...)` of `beam.providers.chat`.
        options: see `beam.sessions.loop_options.LoopOptions`; what is not among them goes to the
            provider.

    Raises:
        InvalidOption: an option is not what it must be; nothing has begun.
        ProviderFailed: the provider could not do what it was asked, in its own words.
        LoopFailed: the request ended without an answer; its `reason` says why, its `result` has
            what there was until then.
    """
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        return asyncio.run(_run(provider, options))
    warn_if_on_loop("beam.run", "beam.aio.run(...)")
    return _beside(provider, options)


async def _run(provider: Provider, options: dict[str, Any]) -> SessionResult:
    if not isinstance(provider, Provider):
        raise InvalidOption("provider", provider, "a Provider")
    wanted = LoopOptions.of(options)
    end: asyncio.Future[SessionResult] = asyncio.get_running_loop().create_future()
    notify = notifier(wanted.notify)

    def ended(outcome: SessionResult | Exception) -> None:
        notify(outcome)
        if end.done():
            return
        if isinstance(outcome, SessionResult):
            end.set_result(outcome)
        else:
            end.set_exception(outcome)

    session = LoopSession(provider, wanted, ended)
    late = False
    try:
        return await within(wanted.pace, wanted.timeout, _answered(session, end))
    except Late as error:
        late = True
        failed = LoopFailed("timeout", session.so_far("timeout"))
        notify(failed)
        raise failed from error
    finally:
        await session.close(stop_server=late, reason="timeout" if late else "closed")


async def _answered(session: LoopSession, end: asyncio.Future[SessionResult]) -> SessionResult:
    await session.open()
    return await end


def notifier(notify: Any) -> Callable[[Any], None]:
    """Return what tells `notify`, a function, a process or None, how a request ended."""

    def tell(outcome: Any) -> None:
        try:
            if isinstance(notify, Ref):
                notify.cast(outcome)
            elif notify is not None:
                notify(outcome)
        except Exception as error:  # noqa: BLE001 - the user's function; the request has ended
            _log.warning("notify_failed", error=repr(error))

    return tell


def _beside(provider: Provider, options: dict[str, Any]) -> SessionResult:
    """Run it on a thread with a loop of its own, while the caller's loop stands still."""
    outcome: list[SessionResult | BaseException] = []

    def work() -> None:
        try:
            outcome.append(asyncio.run(_run(provider, options)))
        except BaseException as error:  # noqa: BLE001 - raised at the caller
            outcome.append(error)

    thread = threading.Thread(target=work, name="beam-run", daemon=True)
    thread.start()
    thread.join()
    if isinstance(outcome[0], BaseException):
        raise outcome[0]
    return outcome[0]


class _Aio:
    """The coroutine twins of `beam`'s blocking functions."""

    async def run(self, provider: Provider, **options: Any) -> SessionResult:
        """Run a request to completion; as `beam.run`. Cancelling the task ends it."""
        return await _run(provider, options)


aio = _Aio()
