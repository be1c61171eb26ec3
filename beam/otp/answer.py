"""Answers as callers see them: an exception that came from another process."""

from __future__ import annotations

from typing import TYPE_CHECKING

from beam.errors import BeamError, Refused

if TYPE_CHECKING:
    from beam.otp.control import Control

__all__ = ["received"]


def received(error: BaseException, callee: Control | None) -> BaseException:
    """Return `error` as the caller is to see it: a copy of its own, which says who sent it.

    Two callers must not share one traceback; and G7 asks, of a `Refused` that leaves a handler,
    whether this process raised it or got it as an answer. An exception that a user put into a
    future is raised as it is, as Pykka does.
    """
    if not isinstance(error, BeamError):
        return error
    kind = type(error)
    copy = kind.__new__(kind, *error.args)
    copy.args = error.args
    copy.__dict__.update(error.__dict__)
    copy.__cause__ = error.__cause__
    copy.__suppress_context__ = True
    copy.__traceback__ = error.__traceback__
    if callee is not None and isinstance(copy, Refused) and copy.process is None:
        copy.process = callee.ref
    return copy
