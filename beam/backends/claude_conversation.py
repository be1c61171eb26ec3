"""The conversations of Claude Code's program: which one a session takes up, which ones there are.

    >>> Conversation.of(["claude", "--model=opus", "--resume=2f0c"])
    Conversation(id='2f0c', resumes=True, forks='')

The program keeps each in a file of its name, below its configuration folder, and takes it up again
by that name, from any folder. One that was asked for and is not there is seen before the program is
started, which would end itself.
"""

from __future__ import annotations

import os
from collections.abc import Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from uuid import UUID, uuid4

from beam.errors import InvalidInput
from beam.model.blocks import parse_blocks, text_of
from beam.model.encoding import decode

if TYPE_CHECKING:
    from pathlib import Path

__all__ = ["Conversation", "conversation_for", "kept_in"]

TITLE = 200
"""The characters of a title."""


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

    Raises:
        InvalidInput: the one to fork is not there.
    """
    if resume and _has(folder, resume):
        return Conversation(resume, resumes=True)
    if resume or not fork:
        return Conversation(str(uuid4()))
    if not _has(folder, fork):
        raise InvalidInput("fork", fork, "a conversation that the program has kept")
    return Conversation(str(uuid4()), forks=fork)


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


def kept_in(folder: Path, cwd: str | None) -> list[dict[str, Any]]:
    """Return the conversations that the program has kept, the newest first. Blocks.

    Its client can list them only in the folder that the environment of this whole process names,
    so the files are read here.

    Args:
        folder: the program's configuration folder.
        cwd: only those of this folder; None for all.

    Returns:
        Of each its `id`, its `title` (the first prompt), its `cwd`, and `updated_at` in Unix
        milliseconds.
    """
    wanted = None if cwd is None else os.path.realpath(cwd)
    known = [_kept(path) for path in folder.glob("projects/*/*.jsonl")]
    found = [each for each in known if each and wanted in (None, each["cwd"])]
    return sorted(found, key=lambda each: -int(each["updated_at"]))


def _kept(path: Path) -> dict[str, Any] | None:
    prompt = _first_prompt(path)
    if prompt is None:
        return None
    updated_at = path.stat().st_mtime_ns // 1_000_000
    return {"id": path.stem, **prompt, "updated_at": updated_at}


def _first_prompt(path: Path) -> dict[str, Any] | None:
    with path.open("rb") as file:
        for line in file:
            if _WORDS[0] not in line:
                continue
            try:
                said = decode(line)
            except InvalidInput:
                continue
            match said:
                case {"isSidechain": True} | {"isMeta": True}:
                    continue
                case {"type": "user", "message": {"content": content}, "cwd": str() as cwd}:
                    text = content if isinstance(content, str) else text_of(parse_blocks(content))
                    return {"title": text[:TITLE], "cwd": cwd}
    return None
