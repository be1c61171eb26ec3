"""What some ACP agents tell only by the files that they keep, and what is read there.

    >>> may_load(["session-2026-11-28T10-49-5dfa71ef.jsonl"], "2026-11-28T10-50")
    True
    >>> may_load(["session-2026-11-28T10-49-5dfa71ef.jsonl"], "2026-11-28T10-49")
    False

Gemini names the file of a conversation by the minute in which a program began it, or took it up
again. One that takes it up in a minute of which there is such a file empties it, and removes the
others: the conversation is lost for good. One that takes up a conversation of which there are two
files, as there are after it was taken up once, loses it likewise. So a conversation is taken up
only if it has one file, of another minute; else a new one is told what was said.

What is read there of how a turn has ended is in `gemini_journal` and `copilot_journal`.
"""

from __future__ import annotations

import asyncio
import re
import time
from collections.abc import Iterable
from pathlib import Path

from beam.backends.acp_endings import of_prefix
from beam.backends.copilot_journal import CopilotJournal, failure_in, tells_of_an_end
from beam.backends.gemini_journal import GeminiJournal, is_unanswered
from beam.model.exit_reasons import ExitReason

__all__ = ["AcpWatch", "CopilotWatch", "GeminiWatch", "may_load"]

_STAMP = re.compile(r"session-(\d{4}-\d\d-\d\dT\d\d-\d\d)-")
_TRIES, _PAUSE = 20, 0.05


class AcpWatch:
    """Watches nothing: what most agents tell over the protocol is enough."""

    async def begin(self, session: str) -> None:
        """Note that a turn begins."""

    async def may_resume(self, session: str) -> bool:
        """Say whether the agent may be asked to take a conversation up again."""
        return True

    async def failure(self, last: str, *, used_tokens: bool) -> ExitReason | None:
        """Return why a turn has failed that is told as one that has not; None if it has not.

        Args:
            last: the last piece of text.
            used_tokens: whether the agent tells of tokens that the turn has used.
        """
        return None


class GeminiWatch(AcpWatch):
    """Looks at Gemini's files before it takes a conversation up again, and after each turn.

    Args:
        home: the folder that has its `.gemini`.
    """

    def __init__(self, home: Path) -> None:
        self._home = home
        self._journal: GeminiJournal | None = None

    async def may_resume(self, session: str) -> bool:
        """Say whether it has the conversation in one file, which is of another minute."""
        files = await asyncio.to_thread(GeminiJournal(self._home, session).files)
        minute = time.strftime("%Y-%m-%dT%H-%M", time.gmtime())
        return may_load((path.name for path in files), minute)

    async def begin(self, session: str) -> None:
        """Remember where the turn begins in the conversation's files."""
        self._journal = GeminiJournal(self._home, session)
        await asyncio.to_thread(self._journal.begin)

    async def failure(self, last: str, *, used_tokens: bool) -> ExitReason | None:
        """Return the failure of a turn of which Gemini has kept no answer."""
        assert self._journal is not None
        for _ in range(_TRIES):
            if not is_unanswered(await asyncio.to_thread(self._journal.turn)):
                return None
            await asyncio.sleep(_PAUSE)
        if last:
            return ExitReason("overloaded", detail="the model's answer has broken off")
        return ExitReason("agent_error", detail="the model has given no answer")


class CopilotWatch(AcpWatch):
    """Reads in Copilot's journal how a turn has ended.

    Args:
        home: Copilot's folder.
        prefix: how a text begins that is said in an answer's place.
    """

    def __init__(self, home: Path, prefix: str) -> None:
        self._home = home
        self._prefix = prefix
        self._journal: CopilotJournal | None = None

    async def begin(self, session: str) -> None:
        """Remember where the turn begins in the journal."""
        self._journal = CopilotJournal(self._home, session)
        await asyncio.to_thread(self._journal.begin)

    async def failure(self, last: str, *, used_tokens: bool) -> ExitReason | None:
        """Return the failure that the journal has; without a journal, what the text looks like."""
        assert self._journal is not None
        for _ in range(_TRIES):
            turn = await asyncio.to_thread(self._journal.turn)
            if turn is None:
                break
            failure = failure_in(turn)
            if failure is not None or tells_of_an_end(turn):
                return failure
            await asyncio.sleep(_PAUSE)
        return of_prefix(last, self._prefix, used_tokens=used_tokens)


def may_load(names: Iterable[str], minute: str) -> bool:
    """Say whether Gemini can take up the conversation that these files are of.

    Args:
        names: the files.
        minute: now, as Gemini writes it.
    """
    stamps = [found[1] for name in names if (found := _STAMP.match(name))]
    return len(stamps) == 1 and stamps[0] != minute
