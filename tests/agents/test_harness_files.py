"""The files of an AgentCore session by the official client; the commands run in a folder here."""

from __future__ import annotations

import asyncio
import os
import urllib.parse
from typing import TYPE_CHECKING, Any

import pytest

from beam.errors import InvalidInput, NotFound, ProviderFailed
from beam.providers import Handle
from beam.providers.agentcore import agentcore
from beam.providers.provision_spec import AgentSpec
from tests.agents.harness_server import RUNTIME, HarnessServer, Refuse

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

SESSION = "beam-session-0123456789abcdef0123456789abcdef"
ROLE = {"execution_role_arn": "arn:aws:iam::123456789012:role/harness"}


@pytest.fixture(autouse=True)
def credentials(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "AKIAOFATEST")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "wJalr-of-a-test")
    for name in ("AWS_CONFIG_FILE", "AWS_SHARED_CREDENTIALS_FILE"):
        monkeypatch.setenv(name, "/dev/null")


@pytest.fixture
def server() -> Iterator[HarnessServer]:
    with HarnessServer() as server:
        yield server


@pytest.fixture
def do(server: HarnessServer, tmp_path: Path) -> Callable[..., Any]:
    provider = agentcore(region="eu-central-1", endpoint_url=server.url)
    handle = asyncio.run(provider.provision(AgentSpec("adder"), {**ROLE, "poll_interval": 0.01}))
    files = provider.artifacts(SESSION, agent=handle, folder=str(tmp_path))
    return lambda what, *args, **options: asyncio.run(getattr(files, what)(*args, **options))


def test_what_is_in_the_folder_is_listed_newest_first(
    do: Callable[..., Any], tmp_path: Path
) -> None:
    for number, name in enumerate(("old.txt", "it's new.txt")):
        (tmp_path / name).write_bytes(b"x" * number)
        os.utime(tmp_path / name, (number, number))
    (tmp_path / "folder").mkdir()
    (tmp_path / ".half.txt.part").write_bytes(b"ha")
    assert [(one.name, one.size) for one in do("list")] == [("it's new.txt", 1), ("old.txt", 0)]


def test_a_file_comes_back_as_it_was_put_whatever_its_length(
    do: Callable[..., Any], server: HarnessServer, tmp_path: Path
) -> None:
    for content in (b"", bytes(range(256)) * 400):
        put = do("put", "data.bin", content)
        assert (put.name, put.size) == ("data.bin", len(content))
        assert do("fetch", "data.bin") == content
    assert os.listdir(tmp_path) == ["data.bin"]
    assert all(len(body["command"]) <= 65_536 for _, _, body in server.asked)


def test_two_that_put_one_name_at_once_leave_one_of_both(
    server: HarnessServer, tmp_path: Path
) -> None:
    provider = agentcore(region="eu-central-1", endpoint_url=server.url)
    contents = [letter * 80_000 for letter in (b"a", b"b")]

    async def both() -> bytes:
        made = await provider.provision(AgentSpec("adder"), {**ROLE, "poll_interval": 0.01})
        files = provider.artifacts(SESSION, agent=made, folder=str(tmp_path))
        await asyncio.gather(*(files.put("a.txt", content) for content in contents))
        return await files.fetch("a.txt")

    assert asyncio.run(both()) in contents
    assert os.listdir(tmp_path) == ["a.txt"]


def test_it_is_the_harnesses_own_runtime_and_the_session_that_is_asked(
    do: Callable[..., Any], server: HarnessServer
) -> None:
    do("list")
    ((_, headers, _),) = server.asked
    assert headers["x-amzn-bedrock-agentcore-runtime-session-id"] == SESSION
    assert urllib.parse.unquote(server.paths[-1]) == f"/runtimes/{RUNTIME}/commands"


def test_what_is_deleted_is_gone_and_what_is_not_there_is_not_found(
    do: Callable[..., Any],
) -> None:
    do("put", "a.txt", b"one")
    do("delete", "a.txt")
    for operation in ("delete", "fetch"):
        with pytest.raises(NotFound) as failed:
            do(operation, "a.txt")
        assert (failed.value.name, failed.value.session_id) == ("a.txt", SESSION)


def test_more_than_was_wanted_is_not_read(do: Callable[..., Any], server: HarnessServer) -> None:
    do("put", "a.txt", b"12345")
    assert do("fetch", "a.txt", limit=5) == b"12345"
    with pytest.raises(ProviderFailed) as failed:
        do("fetch", "a.txt", limit=4)
    assert failed.value.reason == ("artifact_too_large", 4)


def test_a_command_that_fails_is_told_with_what_it_said(
    do: Callable[..., Any], tmp_path: Path
) -> None:
    (tmp_path / "a.txt").mkdir()
    with pytest.raises(ProviderFailed) as failed:
        do("put", "a.txt", b"one")
    assert failed.value.reason == ("command_failed", 1)
    assert "Error" in failed.value.detail


@pytest.mark.parametrize(
    ("answer", "reason"),
    [
        ([{"chunk": {"contentStart": {}}}], "early_termination"),
        ([{"chunk": {"contentStop": {"exitCode": 0, "status": "TIMED_OUT"}}}], "command_timeout"),
        ([{"chunk": {"contentStop": {"exitCode": 0, "status": "COMPLETED"}}}], "malformed_list"),
        ([Refuse(403, "AccessDeniedException")], ("status", 403)),
    ],
    ids=["no end", "too late", "no list", "refused"],
)
def test_an_answer_that_is_none_is_a_failure(
    do: Callable[..., Any], server: HarnessServer, answer: Any, reason: Any
) -> None:
    server.script = [answer]
    with pytest.raises(ProviderFailed) as failed:
        do("list")
    assert failed.value.reason == reason


@pytest.mark.parametrize("name", ["", ".", "..", "a/b", "a b", "a'b", "$(a)", "é", None])
@pytest.mark.parametrize("operation", ["fetch", "put", "delete"])
def test_a_name_that_is_not_safe_is_refused_before_anything_is_sent(
    do: Callable[..., Any], server: HarnessServer, operation: str, name: Any
) -> None:
    with pytest.raises(InvalidInput) as failed:
        do(operation, name, *([b""] if operation == "put" else []))
    assert failed.value.field == "name"
    assert server.asked == []


@pytest.mark.parametrize(
    ("session_id", "agent", "folder", "field"),
    [
        ("short", Handle("agentcore", "arn"), "/data", "session_id"),
        (SESSION, Handle("managed_agents", "agent_1"), "/data", "agent"),
        (SESSION, "arn", "/data", "agent"),
        (SESSION, Handle("agentcore", "arn"), "data", "folder"),
        (SESSION, Handle("agentcore", "arn"), "/data/../etc", "folder"),
        (SESSION, Handle("agentcore", "arn"), "/a b", "folder"),
    ],
    ids=lambda each: str(each)[:30],
)
def test_what_cannot_be_is_refused(session_id: Any, agent: Any, folder: Any, field: str) -> None:
    with pytest.raises(InvalidInput) as failed:
        agentcore().artifacts(session_id, agent=agent, folder=folder)
    assert failed.value.field == field
