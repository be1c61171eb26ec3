"""The survey of the standard library: both agents report the same, and an independent recount."""

from __future__ import annotations

import doctest
import importlib
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from beam.backends.effects import Completed, Deliver, Effect, Failed, Ready, RunTool
from beam.backends.host_lines import HostTool
from beam.model.messages import ToolMessage
from examples.survey import analysis, tools
from examples.survey.function_agent import survey
from examples.survey.tasks import COUNT, modules, tasks
from tests.backends.agent_program import AgentProgram
from tests.examples.recount import recount
from tests.volume import STRESS

SURVEY = Path(tools.__file__).parent
AGENT = SURVEY / "command_agent.py"
READ_FILE = HostTool(**tools.READ_FILE)  # type: ignore[arg-type] # a literal of its fields
OFFERED = [(READ_FILE, tools.read_file)]

# In `make test` a part of the library, spread over it.
EACH = 1 if STRESS else 20

TRICKY = b'''\
# -*- coding: latin-1 -*-
("doc" 'string')
import os.path as p, sys; from json import (
    dumps,
)
from . import sibling
from .. import cousin
from .tree.leaf import stem
try: import tomllib
except ImportError: raise RuntimeError from None
if p: import zlib

def one(a: dict[str, int] = {"x": 1}) -> "lambda: 0": "doc"; import base64

@staticmethod
async def two(
    a,
):
    # a comment first

    f"no doc"
    def inner():
        from decimal import Decimal
    return """
    """
    # a comment last

def three():
    r"""\xe9"""; pass
    yield from ()
def _hidden(): pass
if sys:
    def conditional(): pass

class Plain(dict, metaclass=type): x: int = 1
class Outer:
    """Doc."""
    class Inner:
        def unseen(self): pass
    @property
    def size(self):
        b"no doc"
    @size.setter
    def size(self, value): ("no", "doc")
    def __len__(self): return 0
    async def run(self):
        "doc" "ument"
class _Hidden:
    def method(self): pass
import_ = 1'''


def report(module: str, source: bytes) -> dict[str, Any]:
    answer: dict[str, Any] = json.loads(analysis.survey(module, source).to_json())
    return answer


def last(effects: list[Effect]) -> Completed | Failed:
    ended = effects[-1]
    assert isinstance(ended, Completed | Failed)
    return ended


class TestTasks:
    def test_there_are_at_least_200_and_each_is_another_module(self) -> None:
        ids = [task["id"] for task in tasks()]
        assert len(set(ids)) == len(ids) == COUNT
        assert COUNT >= 200

    def test_the_choice_is_the_same_each_time(self) -> None:
        assert tasks() == tasks()

    def test_a_task_names_a_module_and_its_file(self) -> None:
        (task,) = (task for task in tasks(10_000) if task["id"] == "json.decoder")
        module, path = analysis.subject(task["prompt"])
        assert (module, Path(path).name) == ("json.decoder", "decoder.py")

    def test_tests_programs_of_others_links_and_scripts_are_left_out(self, tmp_path: Path) -> None:
        for name in (
            "alone.py",
            "pack/__init__.py",
            "pack/part.py",
            "pack/tests/__init__.py",
            "pack/tests/test_part.py",
            "site-packages/other.py",
            "folder/no_package.py",
            "two-words.py",
        ):
            file = tmp_path / name
            file.parent.mkdir(exist_ok=True)
            file.touch()
        (tmp_path / "link.py").symlink_to(tmp_path / "alone.py")
        found = [name for name, _ in modules(tmp_path)]
        assert found == ["alone", "pack", "pack.part"]
        assert [task["id"] for task in tasks(2, tmp_path)] == ["alone", "pack"]

    def test_fewer_than_one_is_refused(self) -> None:
        with pytest.raises(ValueError, match="count"):
            tasks(0)

    def test_as_a_program_it_prints_json_lines(self) -> None:
        printed = subprocess.run(
            [sys.executable, str(SURVEY / "tasks.py"), "3"], capture_output=True, check=True, env={}
        )
        assert [json.loads(line) for line in printed.stdout.splitlines()] == tasks(3)

    @pytest.mark.parametrize("prompt", ["", "Survey json", "Survey the module json at "])
    def test_another_prompt_is_refused(self, prompt: str) -> None:
        with pytest.raises(ValueError, match="Survey the module"):
            analysis.subject(prompt)


class TestAnalysis:
    def test_a_tricky_module_is_reported_by_the_words_of_the_definition(self) -> None:
        assert report("pkg.mod", TRICKY) == {
            "module": "pkg.mod",
            "size": len(TRICKY),
            "lines": 50,
            "imports": ["base64", "decimal", "json", "os", "pkg", "sys", "tomllib", "zlib"],
            "functions": {"count": 3, "names": ["one", "two", "three"]},
            "longest": {"name": "two", "lines": 10},
            "undocumented": {
                "count": 4,
                "names": ["two", "Plain", "Outer.size", "Outer.size"],
            },
        }

    @pytest.mark.parametrize(
        ("source", "lines"), [(b"", 0), (b"\n", 1), (b"x = 1", 1), (b"x = 1\r\n\r\ny = 2", 3)]
    )
    def test_lines_end_with_a_newline_but_for_the_last(self, source: bytes, lines: int) -> None:
        assert report("m", source)["lines"] == lines

    def test_of_two_longest_functions_the_first_counts(self) -> None:
        assert report("m", b"def a(): 1\ndef b(): 2\n")["longest"] == {"name": "a", "lines": 1}

    def test_a_module_without_functions_has_no_longest(self) -> None:
        assert report("m", b"'doc'\n")["longest"] is None


class TestRecount:
    def test_it_agrees_on_a_tricky_module(self, tmp_path: Path) -> None:
        path = tmp_path / "mod.py"
        path.write_bytes(TRICKY)
        assert recount("pkg.mod", path) == report("pkg.mod", TRICKY)

    def test_it_confirms_every_number_for_every_module_of_the_library(self) -> None:
        found = tasks(10_000)
        wrong = [
            task["id"]
            for task in found[::EACH]
            if json.loads(survey(task["prompt"])) != recount(*named(task["prompt"]))
        ]
        assert wrong == []
        assert len(found) >= 200


def named(prompt: str) -> tuple[str, Path]:
    module, path = analysis.subject(prompt)
    return module, Path(path)


class TestCommandAgent:
    def test_it_reports_what_the_function_agent_reports_for_every_task(self) -> None:
        with AgentProgram(AGENT) as agent:
            assert agent.greeting == (Ready("survey", "", ("interrupt",)),)
            for task in tasks()[::EACH]:
                effects = agent.answer(task["id"], task["prompt"], tools=OFFERED)
                assert last(effects).message.content == survey(task["prompt"])

    def test_it_reads_a_large_file_in_pieces_through_the_host(self) -> None:
        module, path = max(modules(), key=lambda found: found[1].stat().st_size)
        with AgentProgram(AGENT) as agent:
            prompt = f"Survey the module {module} at {path}"
            effects = agent.answer("q-1", prompt, tools=OFFERED)
        calls = [effect for effect in effects if isinstance(effect, RunTool)]
        assert len(calls) == -(-path.stat().st_size // tools.PIECE) > 1
        assert len({call.tool_use_id for call in calls}) == len(calls)

    def test_without_the_tool_it_reads_the_file_itself_and_tells(self) -> None:
        task = tasks()[0]
        with AgentProgram(AGENT) as agent:
            effects = agent.answer("q-1", task["prompt"])
        told = [
            effect.message.type
            for effect in effects
            if isinstance(effect, Deliver) and isinstance(effect.message, ToolMessage)
        ]
        assert told == ["tool_use", "tool_result"]
        assert last(effects).message.content == survey(task["prompt"])

    def test_what_it_may_not_read_is_an_error(self, tmp_path: Path) -> None:
        (tmp_path / "mine.py").touch()
        prompt = f"Survey the module mine at {tmp_path / 'mine.py'}"
        with AgentProgram(AGENT) as agent:
            failed = last(agent.answer("q-1", prompt, tools=OFFERED))
        assert isinstance(failed, Failed)
        assert failed.reason == "tool_failed"
        assert "PermissionError" in failed.message.content

    @pytest.mark.parametrize("source", [b"def", b"\0", b"# coding: klingon", b"'\xff'"])
    def test_a_file_that_is_no_python_is_an_error(self, tmp_path: Path, source: bytes) -> None:
        path = tmp_path / "mine.py"
        path.write_bytes(source)
        with AgentProgram(AGENT) as agent:
            failed = last(agent.answer("q-1", f"Survey the module mine at {path}"))
            assert last(agent.answer("q-2", tasks()[0]["prompt"])).message.content
        assert isinstance(failed, Failed)
        assert (failed.reason, failed.retryable) == ("bad_task", False)

    def test_it_obeys_an_interrupt_and_takes_the_next_query(self) -> None:
        task = tasks()[0]
        with AgentProgram(AGENT) as agent:
            failed = last(agent.answer("q-1", task["prompt"], tools=OFFERED, interrupt_at=RunTool))
            answer = last(agent.answer("q-2", task["prompt"], tools=OFFERED))
        assert isinstance(failed, Failed)
        assert failed.reason == "interrupted"
        assert answer.message.content == survey(task["prompt"])

    def test_it_exits_when_stdin_is_closed(self) -> None:
        with AgentProgram(AGENT) as agent:
            assert agent.finish() == 0


class TestTool:
    def test_a_piece_ends_where_it_was_asked_to_and_says_whether_the_file_does(self) -> None:
        path = modules()[0][1]
        size = path.stat().st_size
        assert tools.read_file(str(path), 0, size)["eof"] is True
        assert tools.read_file(str(path), 0, size - 1)["eof"] is False
        assert tools.read_file(str(path), size)["base64"] == ""

    @pytest.mark.parametrize(("offset", "limit"), [(-1, 1), (0, 0), (0, tools.PIECE + 1)])
    def test_a_bound_out_of_range_is_refused(self, offset: int, limit: int) -> None:
        with pytest.raises(ValueError, match="limit"):
            tools.read_file(str(modules()[0][1]), offset, limit)

    def test_a_way_out_of_the_library_is_refused(self) -> None:
        with pytest.raises(PermissionError):
            tools.read_file(str(modules()[0][1].parent / ".." / "outside.py"))


@pytest.mark.parametrize("module", ["analysis", "tasks", "tools"])
def test_the_snippets_of_a_module_run(module: str) -> None:
    outcome = doctest.testmod(importlib.import_module(f"examples.survey.{module}"))
    assert (outcome.failed, outcome.attempted > 0) == (0, True)
