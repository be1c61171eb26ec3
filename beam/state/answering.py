"""Servers to whom bad input is something to answer, not to crash of (G20).

    >>> from beam.errors import InvalidInput
    >>> from beam.otp import Node
    >>> class Oven(AnsweringServer):
    ...     def heat(self, degrees):
    ...         if degrees < 0:
    ...             raise InvalidInput("degrees", degrees, "0 or more")
    ...         return f"{degrees} degrees"
    >>> with Node():
    ...     oven = Oven.start()
    ...     try:
    ...         oven.proxy().heat(-1).get()
    ...     except InvalidInput as invalid:
    ...         print(invalid)
    ...     oven.proxy().heat(200).get()
    degrees: expected 0 or more, got -1
    '200 degrees'

What a fleet has one of is asked by everybody: one caller's wrong argument must not restart it.
Arguments that do not fit a method are bad input, too. A cast has nobody to answer to: what would
have been the answer is reported (`cast_refused`) and dropped.
"""

from __future__ import annotations

import functools
import inspect
from typing import TYPE_CHECKING, Any

from pykka.messages import ProxyCall

from beam.errors import InvalidInput
from beam.otp import Server, noreply
from beam.otp.reports import report, shown

if TYPE_CHECKING:
    from collections.abc import Callable

    from beam.otp import Call

__all__ = ["AnsweringServer", "refuse", "reply"]


class AnsweringServer(Server, framework=True):
    """A server whose public methods may raise `InvalidInput`, as an answer."""

    def _receive_proxy(self, message: Any) -> Any:
        try:
            if type(message) is ProxyCall:
                path, args, kwargs = message
                if len(path) == 1:
                    # So most come, and binding them takes longer than many a method.
                    least, most = _positional(type(self), path[0])
                    if not kwargs and least <= len(args) <= most:
                        return getattr(self, path[0])(*args)
                    _check_arguments(type(self), message)
            return super()._receive_proxy(message)
        except InvalidInput as error:
            refuse(self.caller, error)
            return noreply


def reply(caller: Call | None, value: Any = None) -> None:
    """Answer a call; a cast (`None`) wants no answer."""
    if caller is not None:
        caller.reply(value)


def refuse(caller: Call | None, error: BaseException) -> None:
    """Answer a call with an exception; of a cast (`None`) it is reported and dropped."""
    if caller is not None:
        caller.refuse(error)
    else:
        report("warning", "cast_refused", error=shown(error))


def _check_arguments(kind: type[Server], message: ProxyCall) -> None:
    method = kind.public_names().get(message.attr_path[0])
    if not inspect.isfunction(method):
        return
    shape = _shape(method)
    try:
        shape.bind(None, *message.args, **message.kwargs)
    except TypeError as error:
        names = ", ".join(list(shape.parameters)[1:])
        expected = f"{method.__name__}({names})"
        raise InvalidInput("arguments", str(error), expected) from error


@functools.lru_cache(maxsize=1024)
def _shape(method: Callable[..., Any]) -> inspect.Signature:
    return inspect.signature(method)


@functools.lru_cache(maxsize=1024)
def _positional(kind: type[Server], name: str) -> tuple[int, int]:
    """Return how few and how many arguments by place will do, where none is given by name.

    More than can be given, if that does not say it all, or it is no function of the class.
    """
    method = kind.public_names().get(name)
    if not inspect.isfunction(method):
        return (1, 0)
    parameters = list(_shape(method).parameters.values())[1:]
    placed = [one for one in parameters if one.kind is not one.KEYWORD_ONLY]
    if len(placed) < len(parameters) or any(one.kind is one.VAR_POSITIONAL for one in placed):
        return (1, 0)
    return (sum(one.default is one.empty for one in placed), len(placed))
