"""An independent recount of the survey: the same report, by another way of reading.

The survey walks the syntax tree. This one never builds one: it reads the token stream, puts
tokens together to logical lines with their depth of indentation, and looks at how each begins.
Size and number of lines come from the file system and from reading line by line. The two share no
code, so that they agree only where both are right.
"""

from __future__ import annotations

import io
import keyword
import token as kinds
import tokenize
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path
from tokenize import TokenInfo

LAYOUT = frozenset((kinds.COMMENT, kinds.NL, kinds.ENCODING, kinds.ENDMARKER))


@dataclass
class Block:
    """A logical line, and the logical lines indented below it."""

    line: list[TokenInfo]
    below: list[Block] = field(default_factory=list)

    @property
    def words(self) -> list[str]:
        """The line's tokens as they are written."""
        return [token.string for token in self.line]

    @property
    def kind(self) -> str:
        """`def`, `class` or another first word of the line."""
        words = self.words
        return words[1] if words[0] == "async" else words[0]

    @property
    def name(self) -> str:
        """The name that a `def` or `class` line defines."""
        words = self.words
        return words[words.index(self.kind) + 1]

    @property
    def public(self) -> bool:
        """Whether the line defines a function or class with a public name."""
        return self.kind in ("def", "class") and self.name[0] != "_"

    def last_row(self) -> int:
        """The row on which the last token of the block ends."""
        return self.below[-1].last_row() if self.below else self.line[-1].end[0]

    def first_statement(self) -> list[TokenInfo]:
        """The tokens of the first statement of the body of a `def` or `class`."""
        colon = _header_end(self.line)
        inline = self.line[colon + 1 :]
        return _until_semicolon(inline or self.below[0].line)


def recount(module: str, path: Path) -> dict[str, object]:
    """Return the report on `module`, whose file is at `path`, as the agents' JSON has it."""
    blocks = list(_blocks(path.read_bytes()))
    functions = [block for block in blocks if block.public and block.kind == "def"]
    undocumented = list(_undocumented(blocks))
    with path.open("rb") as file:
        lines = sum(1 for _ in file)
    return {
        "module": module,
        "size": path.stat().st_size,
        "lines": lines,
        "imports": sorted({name or module.partition(".")[0] for name in _imports(blocks)}),
        "functions": {"count": len(functions), "names": [block.name for block in functions]},
        "longest": _longest(functions),
        "undocumented": {"count": len(undocumented), "names": undocumented},
    }


def _blocks(source: bytes) -> list[Block]:
    """Return the blocks of depth zero."""
    levels: list[list[Block]] = [[]]
    line: list[TokenInfo] = []
    for token in tokenize.tokenize(io.BytesIO(source).readline):
        if token.type == kinds.INDENT:
            levels.append(levels[-1][-1].below)
        elif token.type == kinds.DEDENT:
            levels.pop()
        elif token.type == kinds.NEWLINE:
            levels[-1].append(Block(line))
            line = []
        elif token.type not in LAYOUT:
            line.append(token)
    return levels[0]


def _header_end(line: Sequence[TokenInfo]) -> int:
    """Return where in the line the colon stands that ends the header of a `def` or `class`."""
    depth = 0
    for index, token in enumerate(line):
        depth += (token.string in "([{") - (token.string in ")]}")
        if token.type == kinds.OP and token.string == ":" and depth == 0:
            return index
    raise AssertionError(f"no header in line {line[0].start[0]}")


def _until_semicolon(line: Sequence[TokenInfo]) -> list[TokenInfo]:
    words = [token.string for token in line]
    return list(line[: words.index(";")] if ";" in words else line)


def _is_docstring(statement: Sequence[TokenInfo]) -> bool:
    """Tell whether the statement is nothing but plain strings, in parentheses or not."""
    words = [token.string for token in statement]
    while len(words) > 2 and words[0] == "(" and words[-1] == ")":
        words, statement = words[1:-1], statement[1:-1]
    return bool(statement) and all(
        token.type == kinds.STRING
        and not set(token.string.split(token.string[-1])[0].lower()) & set("bft")
        for token in statement
    )


def _undocumented(blocks: Sequence[Block]) -> Iterator[str]:
    if not blocks or not _is_docstring(_until_semicolon(blocks[0].line)):
        yield "<module>"
    for block in blocks:
        if block.public:
            if not _is_docstring(block.first_statement()):
                yield block.name
            if block.kind == "class":
                for inner in block.below:
                    if (
                        inner.public
                        and inner.kind == "def"
                        and not _is_docstring(inner.first_statement())
                    ):
                        yield f"{block.name}.{inner.name}"


def _longest(functions: Sequence[Block]) -> dict[str, object] | None:
    best: dict[str, object] | None = None
    most = 0
    for block in functions:
        size = block.last_row() - block.line[0].start[0] + 1
        if size > most:
            best, most = {"name": block.name, "lines": size}, size
    return best


def _imports(blocks: Sequence[Block]) -> Iterator[str]:
    """Yield the top-level name of each imported module, an empty one for a relative import."""
    for block in blocks:
        yield from _imports_of(block.words)
        yield from _imports(block.below)


def _imports_of(words: list[str]) -> Iterator[str]:
    """Yield those of one logical line. `import` is a keyword: nothing else is spelled so."""
    for at, word in enumerate(words):
        if word != "import":
            continue
        before = at
        while before and _may_stand_in_module_name(words[before - 1]):
            before -= 1
        if before and words[before - 1] == "from":
            yield "" if words[before].startswith(".") else words[before]
        else:
            statement = words[at + 1 :]
            end = statement.index(";") if ";" in statement else len(statement)
            yield from (name for comma, name in pairwise([",", *statement[:end]]) if comma == ",")


def _may_stand_in_module_name(word: str) -> bool:
    return set(word) == {"."} or (word.isidentifier() and not keyword.iskeyword(word))
