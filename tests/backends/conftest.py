"""A node with its ports; each test must leave no process behind."""

from __future__ import annotations

from typing import TYPE_CHECKING

import psutil
import pytest

from beam.otp import Mailbox, Node
from beam.ports.actor import Ports
from beam.ports.harbour import Harbour

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


@pytest.fixture
def harbour(tmp_path: Path) -> Iterator[Harbour]:
    harbour = Harbour(tmp_path / "ledger", patience=0.5, grace=0.2)
    yield harbour
    harbour.close()
    assert psutil.Process().children(recursive=True) == []


@pytest.fixture
def node(harbour: Harbour) -> Iterator[Node]:
    with Node() as node:
        yield node


@pytest.fixture
def me(node: Node) -> Iterator[Mailbox]:
    with Mailbox() as me:
        yield me


@pytest.fixture
def ports(me: Mailbox, harbour: Harbour) -> None:
    Ports.start(harbour, name="ports")
