"""The survey as a function agent: a Python function from a prompt to its answer.

    beam run TASKS --backend function:examples.survey.function_agent:survey ...

It reads the file itself and reports what `command_agent.py`, the same agent as a program of its
own, reports.
"""

from __future__ import annotations

from pathlib import Path

from . import analysis


def survey(prompt: str) -> str:
    """Return the report, as JSON, on the module that `prompt` names.

    Raises:
        ValueError: the prompt does not read `Survey the module NAME at PATH`.
        OSError: the file cannot be read.
        SyntaxError: it is not Python.
    """
    module, path = analysis.subject(prompt)
    return analysis.survey(module, Path(path).read_bytes()).to_json()
