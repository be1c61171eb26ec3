"""What `docs/backends.md` teaches to write passes the suite, as a stranger would run it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from tests.snippets import blocks

PAGE = Path(__file__).parents[2] / "docs" / "backends.md"


def taught() -> dict[str, Any]:
    """Return the names that the page defines; what it runs is run as a page, elsewhere."""
    names: dict[str, Any] = {"__name__": __name__}
    for block in blocks(PAGE.read_text("utf-8")):
        if block.runs and not any("Fleet(" in line for line in block.lines):
            exec(compile("\n".join(block.lines), str(PAGE), "exec"), names)
    return names


class TestShout(taught()["TestShout"]):  # type: ignore[misc]
    """The page's own; its agent has the page's driver."""
