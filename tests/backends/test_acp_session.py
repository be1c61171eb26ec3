"""What ACP agents offer, and how a conversation is set up (`acp_session`), from recordings."""

from __future__ import annotations

import os

import pytest

from beam.backends.acp_session import Offer, kept, mcp_servers
from beam.errors import InvalidInput
from tests.backends.acp_recorded import answered


@pytest.mark.parametrize(
    ("agent", "name", "can"),
    [
        ("gemini", "gemini-cli", {"load"}),
        ("opencode", "OpenCode", {"load", "resume", "fork", "list", "close"}),
        ("copilot", "Copilot", {"load", "list", "close"}),
    ],
)
def test_an_offer_says_which_requests_there_are(agent: str, name: str, can: set[str]) -> None:
    offer = Offer.of(answered(agent, "basic", "initialize"))
    assert offer.name == name
    words = ("load", "resume", "fork", "list", "close")
    assert {word for word in words if getattr(offer, word)} == can
    assert offer.http
    assert offer.sse


def test_an_offer_that_says_nothing_offers_nothing() -> None:
    assert Offer.of({}) == Offer()


def test_conversations_that_are_kept_have_our_names_for_what_is_told() -> None:
    told = {"sessionId": "s1", "cwd": "/home/ada", "updatedAt": "1970-01-01T00:00:02.500Z"}
    assert kept({"sessions": [told, {"title": "?"}, 7]}) == [
        {"id": "s1", "title": "", "cwd": "/home/ada", "updated_at": 2500}
    ]
    assert kept({}) == []


def test_mcp_servers_have_the_protocols_form() -> None:
    servers = {
        "files": {"command": "sh", "args": ["-c", "true"], "env": {"A": "1"}},
        "web": {"type": "http", "url": "http://127.0.0.1:1/mcp", "headers": {"X": "y"}},
    }
    files, web = mcp_servers(servers, Offer(http=True))
    assert os.path.isabs(files.pop("command"))
    assert files == {"name": "files", "args": ["-c", "true"], "env": [{"name": "A", "value": "1"}]}
    assert web == {
        "type": "http",
        "name": "web",
        "url": "http://127.0.0.1:1/mcp",
        "headers": [{"name": "X", "value": "y"}],
    }


@pytest.mark.parametrize("kind", ["http", "sse", "carrier pigeon"])
def test_a_server_that_the_agent_cannot_reach_is_refused_by_name(kind: str) -> None:
    with pytest.raises(InvalidInput, match="mcp_servers\\['web'\\]"):
        mcp_servers({"web": {"type": kind, "url": "http://127.0.0.1:1"}}, Offer())
