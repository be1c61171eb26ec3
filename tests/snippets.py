"""The Python snippets of a Markdown document, as one script with the document's line numbers."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

_FENCE = re.compile(r"^(?P<indent> *)(?P<fence>`{3,}|~{3,})(?P<info>[^`]*)$")
_NOT_RUN = re.compile(r"python no-run: \S.{9,}")


@dataclass(frozen=True, slots=True)
class Block:
    """A fenced block: what follows the fence, the number of its first line, its lines dedented."""

    info: str
    line: int
    lines: tuple[str, ...]

    @property
    def runs(self) -> bool:
        """Whether the block is code to run."""
        return self.info == "python"

    @property
    def unknown(self) -> bool:
        """Whether the block is Python that neither runs nor says why it does not.

        The opt-out is the line "python no-run: REASON" after the fence.
        """
        words = self.info.split()
        python = bool(words) and words[0].lower() in {"python", "py", "python3", "pycon"}
        return python and not self.runs and _NOT_RUN.fullmatch(self.info) is None


def blocks(text: str) -> list[Block]:
    """Return the fenced blocks of a Markdown text, in order."""
    found: list[Block] = []
    opened: re.Match[str] | None = None
    start = 0
    lines = text.splitlines()
    for number, line in enumerate(lines, start=1):
        fence = _FENCE.match(line)
        if opened is None:
            opened, start = fence, number + 1
        elif fence and fence["fence"].startswith(opened["fence"]) and not fence["info"].strip():
            indent = len(opened["indent"])
            body = tuple(each[indent:] for each in lines[start - 1 : number - 1])
            found.append(Block(opened["info"].strip(), start, body))
            opened = None
    if opened is not None:
        raise ValueError(f"line {start - 1}: the fence is not closed")
    return found


def script(document: Path) -> str:
    """Return the blocks that run as one script, each line at the number it has in the document."""
    lines: list[str] = []
    for block in blocks(document.read_text("utf-8")):
        if block.runs:
            lines += [""] * (block.line - 1 - len(lines))
            lines += block.lines
    return "\n".join(lines) + "\n" if lines else ""
