"""All five programs, and prompts that are odd: each is answered, and the session goes on."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.agents.acp_sessions import answer, opened

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from beam import Fleet

pytestmark = pytest.mark.timeout(300)

ODD = ("half of a pair: \ud83d", "a\0b", "\x1b[31mred\x1b[0m\r\n\a", "--help", "x" * 300_000)


@pytest.mark.parametrize("name", ["claude", "codex", "gemini", "opencode", "copilot"])
def test_a_prompt_may_have_any_characters(
    fleet_of: Callable[[str], Fleet], tmp_path: Path, name: str
) -> None:
    session = opened(fleet_of(name), tmp_path / "work", on_crash="interrupt")
    for number, odd in enumerate(ODD):
        assert answer(session, f"{odd} [[say {number}]]", timeout=60.0) == str(number)
    assert answer(session, "[[history]]") == "0|1|2|3|4"
