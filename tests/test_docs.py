"""What the documents, the docstrings and the examples show is true: it runs here."""

from __future__ import annotations

import ast
import doctest
import functools
import importlib
import importlib.util
import os
import pkgutil
import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest
from structlog.testing import capture_logs

import beam
from beam.otp import Node
from tests.snippets import Block, blocks, script

ROOT = Path(__file__).parent.parent
DOCUMENTS = sorted([*ROOT.glob("*.md"), *ROOT.glob("docs/**/*.md")])
EXTRAS = frozenset(
    (
        "acp",
        "anthropic",
        "boto3",
        "claude_agent_sdk",
        "mcp",
        "mcp_types",
        "openai",
        "openai_codex",
        "opentelemetry",
        "uvicorn",
    )
)
"""The packages that only an extra brings: a module that imports one is tested in `tests/agents`."""


def needs_an_extra(module: str) -> bool:
    """Say whether importing the module imports a package that may not be installed."""
    spec = importlib.util.find_spec(module)
    assert spec is not None
    assert spec.origin is not None
    body = ast.parse(Path(spec.origin).read_text("utf-8")).body
    named = [each.module or "" for each in body if isinstance(each, ast.ImportFrom)]
    named += [alias.name for each in body if isinstance(each, ast.Import) for alias in each.names]
    return any(name.split(".")[0] in EXTRAS for name in named)


MODULES = sorted(
    each.name
    for each in pkgutil.walk_packages(beam.__path__, "beam.")
    if not each.name.endswith(".__main__") and not needs_an_extra(each.name)
)
LIMIT = 100.0
"""Seconds that a document or an example may take before it counts as hung."""

_LINK = re.compile(r"(?<!!)\[[^\]]*\]\((?P<target>[^)\s]+)\)")
_TEST = re.compile(r"`(?P<file>tests/[\w/]+\.py)(?:::(?P<name>\w+(?:::\w+)*))?`")
_RUN = re.compile(r"^Run: python (?P<command>examples/\w+\.py.*)$", re.MULTILINE)


def relative(path: Path) -> str:
    return path.relative_to(ROOT).as_posix()


def run(script: Path, arguments: list[str], cwd: Path) -> None:
    """Run a script with warnings as errors; fail with what it printed."""
    outcome = subprocess.run(
        [sys.executable, "-W", "error", str(script), *arguments],
        cwd=cwd,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=LIMIT,
        check=False,
    )
    assert outcome.returncode == 0, outcome.stdout


def runnable_examples() -> list[str]:
    """Return what the examples say of how to run them; the demo's end-to-end test runs the demo."""
    found = []
    for example in sorted(ROOT.glob("examples/*.py")):
        docstring = ast.get_docstring(ast.parse(example.read_text("utf-8"))) or ""
        if example.name != "demo.py" and (how := _RUN.search(docstring)):
            found.append(how["command"])
    return found


def outside_fences(document: Path) -> str:
    lines = document.read_text("utf-8").splitlines()
    for block in blocks("\n".join(lines)):
        lines[block.line - 1 : block.line - 1 + len(block.lines)] = [""] * len(block.lines)
    return "\n".join(lines)


@pytest.mark.parametrize("document", DOCUMENTS, ids=relative)
def test_the_snippets_of_a_document_run_in_order(document: Path, tmp_path: Path) -> None:
    code = script(document)
    if code:
        # The script has the document's line numbers, so a traceback points into the document.
        file = tmp_path / f"{document.stem}_md.py"
        file.write_text(code, "utf-8")
        run(file, [], tmp_path)


@pytest.mark.parametrize("document", DOCUMENTS, ids=relative)
def test_a_snippet_that_does_not_run_says_why(document: Path) -> None:
    unknown = [each for each in blocks(document.read_text("utf-8")) if each.unknown]
    assert not unknown, "expected `python`, or `python no-run: REASON`, after the fence"


@pytest.mark.parametrize("document", DOCUMENTS, ids=relative)
def test_a_link_within_the_project_leads_somewhere(document: Path) -> None:
    targets = [link["target"] for link in _LINK.finditer(outside_fences(document))]
    files = [each.partition("#")[0] for each in targets if "://" not in each]
    assert [each for each in files if not (document.parent / each).exists()] == []


@pytest.mark.parametrize("document", DOCUMENTS, ids=relative)
def test_a_test_that_a_document_names_exists(document: Path) -> None:
    missing = [
        named[0]
        for named in _TEST.finditer(document.read_text("utf-8"))
        if not exists(ROOT / named["file"], named["name"] or "")
    ]
    assert missing == []


@functools.cache
def statements(file: Path) -> list[ast.stmt]:
    return ast.parse(file.read_text("utf-8")).body


def exists(file: Path, name: str) -> bool:
    """Tell whether a file is there, and in it the function (or Class::method) of that name."""
    if not file.is_file():
        return False
    body = statements(file)
    for part in filter(None, name.split("::")):
        named = [
            each
            for each in body
            if isinstance(each, ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef)
            and each.name == part
        ]
        if not named:
            return False
        body = named[0].body
    return True


@pytest.mark.parametrize("module", ["beam", *MODULES])
def test_the_snippets_of_a_module_run(
    module: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    # Logs go to standard output unless configured, and doctest compares that.
    with Node(), capture_logs():
        outcome = doctest.testmod(importlib.import_module(module), optionflags=doctest.ELLIPSIS)
    assert outcome.failed == 0


@pytest.mark.parametrize("command", runnable_examples())
def test_an_example_runs_as_it_says(command: str, tmp_path: Path) -> None:
    example, *arguments = shlex.split(command)
    run(ROOT / example, arguments, tmp_path)


def test_the_example_that_is_run_elsewhere_is_there() -> None:
    assert (ROOT / "examples/demo.py").is_file()


def test_blocks_of_a_document_keep_their_line_numbers(tmp_path: Path) -> None:
    document = tmp_path / "page.md"
    document.write_text("# A\n\n```python\na = 1\n```\n\n- b\n\n  ~~~python\n  a += 1\n  ~~~\n")
    assert script(document).splitlines() == ["", "", "", "a = 1", "", "", "", "", "", "a += 1"]


def test_only_an_opt_out_with_a_reason_is_known() -> None:
    infos = ["python", "python no-run: needs a key of yours", "python no-run", "py", "sh"]
    assert [Block(info, 1, ()).unknown for info in infos] == [False, False, True, True, False]
