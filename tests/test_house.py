"""The house rules that a program can check (docs/architecture.md, CONTRIBUTING.md)."""

from __future__ import annotations

import ast
import functools
import importlib
import inspect
import io
import re
import subprocess
import tokenize
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

ROOT = Path(__file__).parent.parent
PACKAGE = ROOT / "beam"
SOURCES = sorted(PACKAGE.rglob("*.py"))
TESTS = sorted((ROOT / "tests").rglob("*.py"))

NAMES_ON_A_SCREEN = 70
LINES_OF_A_FILE = 400
LINES_OF_A_FUNCTION = 60

NO_CLOCK_OR_CHANCE = {"datetime", "random", "secrets", "time", "uuid"}
NO_INPUT_OUTPUT = {"multiprocessing", "psutil", "selectors", "socket", "sqlite3", "subprocess"}
NO_ACTORS = {"asyncio", "concurrent", "pykka", "structlog", "threading"}

NEVER_IMPORTED = {
    "otp": NO_CLOCK_OR_CHANCE | NO_INPUT_OUTPUT,
    "model": {"random", "secrets", "time"} | NO_INPUT_OUTPUT | NO_ACTORS,
    "state": NO_INPUT_OUTPUT,
    "routing": NO_INPUT_OUTPUT,
}
"""What a room never imports: the column "what never does" of the plan, as modules."""

THE_CLOCK = PACKAGE / "otp" / "clock.py"
"""The one module of `beam.otp` that reads the time, randomness and ids (G18)."""

NOT_OF_THE_TREE = {
    *(".git", ".venv", "dist", "__pycache__", ".hypothesis"),
    *(".import_linter_cache", ".mypy_cache", ".pytest_cache", ".ruff_cache"),
}
_MACHINE_PATH = re.compile(r"(?<![\w.~:/-])/(?:(?:home|Users)/(?!ada\b)\w+|(?:root|work|mnt)/\w+)")
"""A directory of somebody's machine; examples live in the home of ada."""


def relative(path: Path) -> str:
    return path.relative_to(ROOT).as_posix()


def of_each(paths: list[Path]) -> Callable[[Callable[[Path], None]], Callable[[], None]]:
    """Make one test of a test of one file, which names every file that fails.

    A test for each would be two thousand tests, which every worker has to collect.
    """

    def of_all(test: Callable[[Path], None]) -> Callable[[], None]:
        # Not `wraps`: pytest would see the argument.
        def run() -> None:
            failures = []
            for path in paths:
                try:
                    test(path)
                except AssertionError as error:
                    failures.append(f"{relative(path)}: {error}")
            assert not failures, "\n".join(failures)

        run.__name__, run.__doc__ = test.__name__, test.__doc__
        return run

    return of_all


@functools.cache
def nodes(path: Path) -> tuple[ast.AST, ...]:
    """Return what a file's syntax tree consists of."""
    return tuple(ast.walk(ast.parse(path.read_text("utf-8"), filename=str(path))))


def imported(path: Path) -> Iterator[tuple[str, str]]:
    """Yield each import of a module as (module, name); the name is empty for `import module`."""
    for node in nodes(path):
        if isinstance(node, ast.Import):
            yield from ((alias.name, "") for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            module = "." * node.level + (node.module or "")
            yield from ((module, alias.name) for alias in node.names)


def code_lines(text: str) -> set[int]:
    """Return the numbers of the lines that hold code: no comments, no docstrings, nothing blank."""
    skipped = {tokenize.COMMENT, tokenize.NL, tokenize.NEWLINE, tokenize.INDENT, tokenize.DEDENT}
    numbers: set[int] = set()
    for token in tokenize.generate_tokens(io.StringIO(text).readline):
        if token.type not in skipped | {tokenize.ENDMARKER}:
            numbers.update(range(token.start[0], token.end[0] + 1))
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant):
            numbers.difference_update(range(node.lineno, (node.end_lineno or node.lineno) + 1))
    return numbers


def tree() -> Iterator[Path]:
    """Yield the files that are committed, or would be; all files where there is no git."""
    listing = subprocess.run(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
        cwd=ROOT,
        capture_output=True,
        check=False,
    )
    if (ROOT / ".git").exists() and listing.returncode == 0:
        names = listing.stdout.decode().split("\0")
        yield from (path for name in names if name and (path := ROOT / name).is_file())
        return
    for path in ROOT.rglob("*"):
        if path.is_file() and NOT_OF_THE_TREE.isdisjoint(path.relative_to(ROOT).parts):
            yield path


@pytest.mark.parametrize("door", ["beam", "beam.otp"])
def test_the_public_names_fit_on_a_screen(door: str) -> None:
    names = importlib.import_module(door).__all__
    assert len(names) == len(set(names))
    assert len(names) <= NAMES_ON_A_SCREEN


@pytest.mark.parametrize("door", ["beam", "beam.otp"])
def test_each_public_name_is_there_and_documented(door: str) -> None:
    module = importlib.import_module(door)
    bare = [
        name
        for name in module.__all__
        if (inspect.isroutine(value := getattr(module, name)) or inspect.isclass(value))
        and not (value.__doc__ or "").strip()
    ]
    assert bare == []


@of_each(SOURCES)
def test_a_file_is_one_that_a_person_can_hold_in_mind(path: Path) -> None:
    lines = len(path.read_text("utf-8").splitlines())
    assert lines <= LINES_OF_A_FILE


@of_each(SOURCES)
def test_a_function_is_short(path: Path) -> None:
    code = code_lines(path.read_text("utf-8"))
    functions = (
        (node.name, sum(node.lineno <= number <= (node.end_lineno or 0) for number in code))
        for node in nodes(path)
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
    )
    assert [(name, lines) for name, lines in functions if lines > LINES_OF_A_FUNCTION] == []


@pytest.mark.parametrize("room", sorted(NEVER_IMPORTED))
def test_a_room_imports_nothing_that_it_never_does(room: str) -> None:
    never = NEVER_IMPORTED[room]
    offences = [
        (relative(path), module)
        for path in sorted((PACKAGE / room).rglob("*.py"))
        for module, _ in imported(path)
        if path != THE_CLOCK and module.partition(".")[0] in never
    ]
    assert offences == []


def test_otp_never_says_agent() -> None:
    sources = sorted((PACKAGE / "otp").rglob("*.py"))
    said = [relative(path) for path in sources if re.search(r"(?i)\bagents?\b", path.read_text())]
    assert said == []


@of_each(SOURCES)
def test_a_module_does_not_import_what_gathers_it(path: Path) -> None:
    # import-linter sees no circle between a package's `__init__` and the modules inside it.
    inside = ["beam", *path.relative_to(PACKAGE).with_suffix("").parts]
    gathering = {".".join(inside[:depth]) for depth in range(1, len(inside))}
    if inside[-1] == "__init__":
        gathering.discard(".".join(inside[:-1]))
    taken = [
        (module, name)
        for module, name in imported(path)
        if module in gathering and not (name and is_module(f"{module}.{name}"))
    ]
    assert taken == []


def is_module(dotted: str) -> bool:
    path = ROOT.joinpath(*dotted.split("."))
    return path.with_suffix(".py").is_file() or (path / "__init__.py").is_file()


@of_each(TESTS)
def test_a_test_waits_for_events_and_never_sleeps(path: Path) -> None:
    sleeps = [
        node.lineno
        for node in nodes(path)
        if isinstance(node, ast.Call)
        and (
            (
                isinstance(node.func, ast.Attribute)
                and node.func.attr == "sleep"
                # What a node and a process offer under this name is there to be tested.
                and ast.unparse(node.func.value).split(".")[-1] not in ("node", "actor", "self")
            )
            or (isinstance(node.func, ast.Name) and node.func.id == "sleep")
        )
        # `sleep(0)` only hands the turn on.
        and [ast.unparse(each) for each in node.args] != ["0"]
    ]
    assert sleeps == []


@of_each(TESTS)
def test_no_test_is_skipped_or_expected_to_fail(path: Path) -> None:
    marks = {"skip", "skipif", "importorskip", "xfail"}
    used = [
        (node.lineno, node.attr)
        for node in nodes(path)
        if isinstance(node, ast.Attribute) and node.attr in marks
        if ast.unparse(node.value) in {"pytest", "pytest.mark"}
    ]
    assert used == []


def test_no_file_names_a_place_on_one_machine() -> None:
    named = []
    for path in tree():
        try:
            text = path.read_text("utf-8")
        except UnicodeDecodeError:
            continue
        named += [(relative(path), found[0]) for found in _MACHINE_PATH.finditer(text)]
    assert named == []


def test_lines_of_code_are_counted_without_words_about_them() -> None:
    text = (
        'def f():\n    """Say.\n\n    More.\n    """\n    # why\n\n    return (\n        1\n    )\n'
    )
    assert code_lines(text) == {1, 8, 9, 10}
