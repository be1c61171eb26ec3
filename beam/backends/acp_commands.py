"""Sees to the commands of an agent that overlooks their end.

    >>> from beam.ports.processes import Process
    >>> keeper, program = Process(1, 0, 1, "0", False), Process(2, 1, 2, "0", False)
    >>> shell, orphan = Process(3, 2, 3, "0", False), Process(4, 1, 3, "0", False)
    >>> what_lives({1: keeper, 2: program, 3: shell}, program=2, keeper=1, calls=1)
    'all'
    >>> what_lives({1: keeper, 2: program, 4: orphan}, program=2, keeper=1, calls=1)
    'some'
    >>> what_lives({1: keeper, 2: program}, program=2, keeper=1, calls=1)
    'none'

OpenCode hears of the exit of a shell that it has started, but not of its end by a signal: a call
whose shell was killed stays open until the call's own limit, 2 minutes. An open call without a
shell is no proof of that, for a call stays open, too, while something that its shell has left
behind holds the pipe. So a call counts as lost only if nothing lives any more that came of it:
neither a shell, each of which leads a process group of its own, nor an orphan, which the port's
keeper has inherited. Where the system has no subreapers, no orphan is seen.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Literal

from beam.model.messages import SystemMessage
from beam.ports.processes import Table, snapshot

if TYPE_CHECKING:
    from collections.abc import Callable

    from beam.backends.agent_wire import Wire
    from beam.backends.talk import Talk

__all__ = ["LOOK", "CommandWatch", "see_until_lost", "what_lives"]

LOOK = 0.2
"""Seconds between two looks, while a command is open."""

# Looks without a shell after which that is said: the agent tells by itself of what has just ended,
# and a shell that was not seen yet may still be started.
_SEEN, _UNSEEN = 2, 5

# Seconds that the agent has to notice that nothing lives of its command.
_NOTICED_WITHIN = 5.0


async def see_until_lost(
    wire: Wire, talk: Talk, calls: Callable[[], frozenset[str]], *, agent: str
) -> None:
    """See to an agent's commands, on the loop thread, until nothing lives of one.

    A command that has no shell any more is told of before that.

    Args:
        wire: its program.
        talk: what may be said.
        calls: returns the agent's names for the commands that are open.
        agent: what it calls itself.
    """
    now = asyncio.get_running_loop().time
    watch, state = CommandWatch(wire.pid, wire.keeper, now()), ""
    while state != "lost":
        await asyncio.sleep(LOOK)
        table = await asyncio.to_thread(snapshot) if calls() else {}
        # What we are asked for has no shell yet.
        state = watch.look(table, frozenset() if talk.waiting else calls(), now())
        if state == "missing":
            text = f"no shell lives of a command that {agent} waits for"
            talk.say(SystemMessage(content=text, subtype="notice"))


class CommandWatch:
    """The watch over the commands of one turn.

    Args:
        program: the program's pid.
        keeper: the pid of its parent, which inherits its orphans.
        now: seconds.
    """

    def __init__(self, program: int, keeper: int, now: float) -> None:
        self._program = program
        self._keeper = keeper
        self._seen: frozenset[str] = frozenset()
        self._without = 0
        self._said = False
        self._lived = now

    def look(
        self, table: Table, calls: frozenset[str], now: float
    ) -> Literal["", "missing", "lost"]:
        """Return what is to be said of the commands that are open.

        Args:
            table: the machine's processes.
            calls: the agent's names for the commands that are open, and that nobody is asked for.
            now: seconds.

        Returns:
            `"missing"` once, when one has no shell; `"lost"` when the agent has not noticed in its
            time that nothing lives of them; else `""`.
        """
        lives = "all"
        if calls:
            tree = {"program": self._program, "keeper": self._keeper}
            lives = what_lives(table, **tree, calls=len(calls))
        if lives != "none":
            self._lived = now
        if lives == "all":
            self._seen, self._without, self._said = calls or self._seen, 0, False
            return ""
        self._without += 1
        if now - self._lived >= _NOTICED_WITHIN:
            return "lost"
        enough = self._without >= (_SEEN if calls <= self._seen else _UNSEEN)
        if self._said or not enough:
            return ""
        self._said = True
        return "missing"


def what_lives(
    table: Table, *, program: int, keeper: int, calls: int
) -> Literal["all", "some", "none"]:
    """Return what lives of a program's open commands.

    Args:
        table: the machine's processes.
        program: the program's pid.
        keeper: the pid of its parent, which inherits its orphans.
        calls: how many commands are open.

    Returns:
        `"all"` if there is a shell for each; `"none"` if nothing lives that came of any.
    """
    living = [each for each in table.values() if not each.zombie]
    shells = sum(each.parent == program and each.group == each.pid for each in living)
    if shells >= calls:
        return "all"
    orphans = any(each.parent == keeper and each.pid != program for each in living)
    return "some" if shells or orphans else "none"
