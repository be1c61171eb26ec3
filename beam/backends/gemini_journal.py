r"""How Gemini's turns really ended, from the file that it keeps of each conversation.

When the model's stream breaks off, is empty, or is blocked, Gemini asks three more times, and then
answers `end_turn` as after a good turn, with what pieces there were. Its file tells the two apart:
there it has what it was asked (`user`, tools' results too) at once, and what the model has said
(`gemini`) only if that was whole.

    >>> asked = b'{"type": "user", "content": [{"text": "hi"}]}\n'
    >>> is_unanswered(asked), is_unanswered(asked + b'{"type": "gemini", "content": "hello"}\n')
    (True, False)
    >>> is_unanswered(b"")
    False
"""

from __future__ import annotations

from pathlib import Path

from beam.backends.journal_files import records, size_of, tail

__all__ = ["GeminiJournal", "is_unanswered"]


def is_unanswered(journal: bytes) -> bool:
    """Say whether the last that was asked, in a turn's part of the file, has no whole answer."""
    asked = False
    for record in records(journal):
        match record.get("type"):
            case "user":
                asked = True
            case "gemini":
                asked = False
    return asked


class GeminiJournal:
    """The files of one conversation. Its functions read files, and so block for a moment.

    Args:
        home: the folder that has its `.gemini`.
        session: Gemini's name for the conversation.
    """

    def __init__(self, home: Path, session: str) -> None:
        self._home = home
        self._session = session
        self._from: dict[Path, int] = {}

    def files(self) -> list[Path]:
        """Return the files that there are of the conversation, the oldest first."""
        pattern = f"tmp/*/chats/session-*-{self._session[:8]}.json*"
        return sorted((self._home / ".gemini").glob(pattern))

    def begin(self) -> None:
        """Begin a turn: what is in the files now is of earlier ones."""
        self._from = {path: size_of(path) for path in self.files()}

    def turn(self) -> bytes:
        """Return what has come since the turn began; nothing if that cannot be read."""
        return b"".join(tail(path, self._from.get(path, 0)) or b"" for path in self.files())
