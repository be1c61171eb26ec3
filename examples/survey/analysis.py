r"""What one Python source file holds: size, imports, public functions, what has no docstring.

    >>> report = survey("pkg.mod", b'import os.path\n\ndef area(r):\n    return r * r\n')
    >>> report.imports, report.functions, report.undocumented
    (('os',), ('area',), ('<module>', 'area'))

Pure: bytes in, a `Report` out; nothing is imported or run. Both agents of the survey call
`survey`, so they report the same. The words, precisely:

size          bytes of the file.
lines         newline characters, and one more for a last line that has none.
imports       sorted top-level names of all modules that an import statement anywhere in the file
              names; a relative import names the module's own top-level package.
public        a name that does not begin with an underscore; `__all__` is not looked at.
functions     public functions whose `def` or `async def` stands directly in the module's body, not
              in an `if`, `try` or class; each definition counts, in source order.
longest       of these, the first with the most lines, from the line of its `def` to the last line
              of its body; decorators and trailing comments are not counted.
undocumented  what has no docstring, in source order: the module (`<module>`), the functions, the
              public classes directly in the module's body and (`Class.method`) their public
              methods directly in the class's body.
"""

from __future__ import annotations

import ast
import json
import re
from collections.abc import Iterator
from dataclasses import dataclass

Function = ast.FunctionDef | ast.AsyncFunctionDef

PROMPT = re.compile(r"Survey the module (\S+) at (.+)", re.DOTALL)


@dataclass(frozen=True, slots=True)
class Report:
    """The survey of one module; the module's docstring says what each word means."""

    module: str
    size: int
    lines: int
    imports: tuple[str, ...]
    functions: tuple[str, ...]
    longest: tuple[str, int] | None
    undocumented: tuple[str, ...]

    def to_json(self) -> str:
        """Return the report as one JSON object: the answer that both agents give."""
        longest = self.longest and {"name": self.longest[0], "lines": self.longest[1]}
        fields = {
            "module": self.module,
            "size": self.size,
            "lines": self.lines,
            "imports": self.imports,
            "functions": {"count": len(self.functions), "names": self.functions},
            "longest": longest,
            "undocumented": {"count": len(self.undocumented), "names": self.undocumented},
        }
        return json.dumps(fields)


def subject(prompt: str) -> tuple[str, str]:
    """Return the module's dotted name and the path of its file that `prompt` names.

    Raises:
        ValueError: the prompt does not read `Survey the module NAME at PATH`.
    """
    found = PROMPT.fullmatch(prompt.strip())
    if found is None:
        raise ValueError(f"expected 'Survey the module NAME at PATH', got {prompt[:200]!r}")
    return found[1], found[2]


def survey(module: str, source: bytes) -> Report:
    """Return the report on `source`, the bytes of the file of the module named `module`.

    Raises:
        SyntaxError: the source is not Python, or not in the encoding that it declares.
        ValueError: it holds a null byte.
    """
    tree = ast.parse(source)
    functions = [node for node in tree.body if isinstance(node, Function) and _public(node)]
    return Report(
        module=module,
        size=len(source),
        lines=source.count(b"\n") + (not source.endswith(b"\n") and source != b""),
        imports=tuple(sorted(_imports(tree, module.partition(".")[0]))),
        functions=tuple(node.name for node in functions),
        longest=_longest(functions),
        undocumented=tuple(_undocumented(tree)),
    )


def _public(node: Function | ast.ClassDef) -> bool:
    return not node.name.startswith("_")


def _imports(tree: ast.Module, package: str) -> set[str]:
    names: set[str] = set()
    for node in ast.walk(tree):
        match node:
            case ast.Import():
                names.update(alias.name.partition(".")[0] for alias in node.names)
            case ast.ImportFrom(module=str(origin), level=0):
                names.add(origin.partition(".")[0])
            case ast.ImportFrom():
                names.add(package)
    return names


def _longest(functions: list[Function]) -> tuple[str, int] | None:
    sizes = [(node.name, (node.end_lineno or node.lineno) - node.lineno + 1) for node in functions]
    return max(sizes, key=lambda size: size[1], default=None)


def _undocumented(tree: ast.Module) -> Iterator[str]:
    if ast.get_docstring(tree, clean=False) is None:
        yield "<module>"
    for node in tree.body:
        if isinstance(node, Function | ast.ClassDef) and _public(node):
            yield from _undocumented_in(node, node.name)


def _undocumented_in(node: Function | ast.ClassDef, name: str) -> Iterator[str]:
    if ast.get_docstring(node, clean=False) is None:
        yield name
    if isinstance(node, ast.ClassDef):
        for inner in node.body:
            if isinstance(inner, Function) and _public(inner):
                yield from _undocumented_in(inner, f"{name}.{inner.name}")
