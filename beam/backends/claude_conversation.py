"""The conversations of Claude Code's program: which one a session takes up, which ones there are.

    >>> Conversation.of(["claude", "--model=opus", "--resume=2f0c"])
    Conversation(id='2f0c', resumes=True, forks='')

The program keeps each in a file of its name, below its configuration folder, and takes it up again
by that name, from any folder. One that was asked for and is not there is seen before the program is
started, which would end itself.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from uuid import UUID, uuid4

if TYPE_CHECKING:
    from pathlib import Path

__all__ = ["Conversation", "conversation_for", "kept_in"]

LIST_S = 60.0


@dataclass(frozen=True, slots=True)
class Conversation:
    """Which conversation a program takes up.

    Attributes:
        id: its name, a UUID.
        resumes: whether it was begun before.
        forks: the conversation that it is a copy of; empty for none.
    """

    id: str
    resumes: bool = False
    forks: str = ""

    @classmethod
    def of(cls, line: Iterable[str]) -> Conversation:
        """Return the conversation that a command line says."""
        said = dict(word.split("=", 1) for word in line if word.startswith("--") and "=" in word)
        new, old = said.get("--session-id", ""), said.get("--resume", "")
        return cls(new, forks=old) if new else cls(old, resumes=True)

    def options(self) -> list[str]:
        """Return the options that say it."""
        if self.resumes:
            return [f"--resume={self.id}"]
        forked = [f"--resume={self.forks}", "--fork-session"] if self.forks else []
        return [*forked, f"--session-id={self.id}"]


def conversation_for(folder: Path, *, resume: str, fork: str) -> Conversation:
    """Return the conversation to take up: the old one if the program still has it. Blocks.

    Args:
        folder: the program's configuration folder.
        resume: the conversation that is to go on; empty for none.
        fork: the one to begin with a copy of, if none is to go on; empty for none.
    """
    if resume and _has(folder, resume):
        return Conversation(resume, resumes=True)
    if fork and not resume and _has(folder, fork):
        return Conversation(str(uuid4()), forks=fork)
    return Conversation(str(uuid4()))


_WORDS = (b'"type":"user"', b'"type":"assistant"')


def _has(folder: Path, conversation: str) -> bool:
    """Say whether the program has kept it: a file of its name with words in it."""
    try:
        name = str(UUID(conversation))
    except ValueError:
        return False
    return any(map(_has_words, folder.glob(f"projects/*/{name}.jsonl")))


def _has_words(path: Path) -> bool:
    # A program that was killed before it came to its first prompt leaves a file which it refuses.
    with path.open("rb") as file:
        return any(each in line for line in file for each in _WORDS)


# The client lists those of the folder that the environment of its process says, so it has one.
_LIST = """
import json, sys
from claude_agent_sdk import list_sessions
print(json.dumps([
    {"id": each.session_id, "summary": each.summary, "cwd": each.cwd,
     "modified_at": each.last_modified}
    for each in list_sessions(sys.argv[1] or None)
]))
"""


def kept_in(folder: Path, cwd: str | None) -> list[dict[str, Any]]:
    """Return the conversations that the program has kept, the newest first. Blocks.

    Args:
        folder: the program's configuration folder.
        cwd: only those of this folder; None for all.

    Raises:
        subprocess.SubprocessError: the client could not list them.
    """
    listed = subprocess.run(
        [sys.executable, "-c", _LIST, cwd or ""],
        env={**os.environ, "CLAUDE_CONFIG_DIR": str(folder)},
        capture_output=True,
        timeout=LIST_S,
        check=True,
    )
    known: list[dict[str, Any]] = json.loads(listed.stdout)
    return known
