"""That the programs are there, and what they can reach."""

from __future__ import annotations

import os
import socket
import subprocess
from pathlib import Path

import pytest

from beam.cli.doctor import examine
from tests.agents.alone import INSIDE
from tests.agents.programs import NEEDED_NODE, PROGRAMS, Program, install, node


@pytest.mark.parametrize("wanted", PROGRAMS, ids=lambda each: each.name)
def test_a_program_is_installed_as_pinned(wanted: Program) -> None:
    assert os.access(wanted.command()[-1], os.R_OK)


@pytest.mark.parametrize("wanted", PROGRAMS, ids=lambda each: each.name)
def test_installing_again_changes_nothing(wanted: Program) -> None:
    before = wanted.folder.stat()
    install(wanted)
    assert wanted.folder.stat() == before


def test_node_is_new_enough_and_not_the_machines() -> None:
    said = subprocess.run([node(), "--version"], capture_output=True, text=True, check=True).stdout
    assert int(said.lstrip("v").split(".")[0]) >= NEEDED_NODE


def test_the_doctor_asks_a_program_for_its_version_without_our_keys(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    program = tmp_path / "gemini"
    program.write_text(f"#!/bin/sh\nenv > {tmp_path}/seen\necho 0.61.3\n")
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    monkeypatch.setenv("OPENAI_API_KEY", "sk-hunter2")
    [found] = [each for each in examine() if each.what == "gemini"]
    assert (found.found, found.fine) == (f"0.61.3 ({program})", True)
    seen = (tmp_path / "seen").read_text()
    assert f"PATH={tmp_path}:" in seen
    assert "hunter2" not in seen


def test_nothing_but_this_machine_can_be_reached() -> None:
    # Without a namespace there is nothing to be shown; `make test-agents` has said so.
    if os.environ.get(INSIDE) == "namespace":
        names = {name for _, name in socket.if_nameindex()}
        assert "lo" in names
        with pytest.raises(OSError, match="unreachable"):
            socket.create_connection(("192.0.2.1", 443), timeout=5)
