"""Where the handlers of processes stand: for those that will not end.

A handler that waits on a real lock, or counts for ever, is on some thread; which one is seen by the
frames of the process's turn below it. A fiber of the simulation that does not run has none.
"""

from __future__ import annotations

import itertools
import linecache
import sys
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Collection
    from types import FrameType

    from beam.otp.control import Control

__all__ = ["stacks_of"]

# Lines that are shown of a stack, the innermost.
LINES = 10
_TURN = "beam.otp.turn"
_OURS = "beam.otp."


def stacks_of(controls: Collection[Control]) -> dict[Control, tuple[str, ...]]:
    """Return where the handlers of these processes stand, as far as it can be had.

    Returns:
        For each that was found, lines `file:line in function: code`, the innermost last, without
        the framework's own below it.
    """
    found: dict[Control, tuple[str, ...]] = {}
    if controls:
        for frame in sys._current_frames().values():
            _search(frame, controls, found)
    return found


def _search(
    innermost: FrameType, wanted: Collection[Control], found: dict[Control, tuple[str, ...]]
) -> None:
    """Look for the turns of processes on one thread, which may run several on top of each other."""
    above: list[FrameType] = []
    frame: FrameType | None = innermost
    while frame is not None:
        if frame.f_globals.get("__name__") == _TURN:
            control = frame.f_locals.get("control")
            if control is not None and control in wanted and control not in found:
                found[control] = _shown(above)
        above.append(frame)
        frame = frame.f_back


def _shown(above: list[FrameType]) -> tuple[str, ...]:
    """Return the lines of frames, which come innermost first."""
    below = list(itertools.dropwhile(_is_ours, reversed(above)))
    return tuple(map(_line, (below or above[::-1])[-LINES:]))


def _is_ours(frame: FrameType) -> bool:
    return str(frame.f_globals.get("__name__", "")).startswith(_OURS)


def _line(frame: FrameType) -> str:
    code = frame.f_code
    text = linecache.getline(code.co_filename, frame.f_lineno).strip()
    where = f"{code.co_filename}:{frame.f_lineno} in {code.co_name}"
    return f"{where}: {text}" if text else where
