"""The files of Claude's Managed Agents by their official client, against a server of our own."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

import pytest

from beam.errors import InvalidInput, NotFound, ProviderFailed
from beam.providers.managed_agents import managed_agents
from tests.agents.managed_server import ManagedServer
from tests.providers.stubs import HastyPace

if TYPE_CHECKING:
    from collections.abc import Iterator

KEY = "sk-ant-of-a-test"


@pytest.fixture(autouse=True)
def key(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ANTHROPIC_API_KEY", KEY)


@pytest.fixture
def server() -> Iterator[ManagedServer]:
    with ManagedServer() as server:
        yield server


def do(server: ManagedServer, operation: str, *args: Any, **options: Any) -> Any:
    """Do one thing with the files of a session, and see that no client is left open."""
    provider = managed_agents(base_url=server.url)
    files = provider.artifacts("session_1", pace=HastyPace())

    async def work() -> Any:
        try:
            return await getattr(files, operation)(*args, **options)
        finally:
            assert len(provider.clients) == 0

    return asyncio.run(work())


def test_what_a_session_has_is_listed_newest_first_and_nothing_of_others(
    server: ManagedServer,
) -> None:
    first = server.write("session_1", "report.md", b"one")
    server.write("session_2", "report.md", b"another's")
    last = server.write("session_1", "report.md", b"two and more")
    found = do(server, "list")
    assert [(one.name, one.size, one.ref) for one in found] == [
        ("report.md", 12, last),
        ("report.md", 3, first),
    ]
    assert found[0].raw == server.files[last][0]


def test_a_long_list_is_read_to_its_end(server: ManagedServer) -> None:
    server.page = 2
    for number in range(5):
        server.write("session_1", f"{number}.txt", b"")
    assert [one.name for one in do(server, "list")] == [f"{n}.txt" for n in (4, 3, 2, 1, 0)]


def test_a_session_without_files_has_an_empty_list(server: ManagedServer) -> None:
    assert do(server, "list") == ()


def test_of_a_name_that_is_there_twice_the_newest_is_fetched(server: ManagedServer) -> None:
    # Half a second before the older one ends in text that sorts after it.
    server.write("session_1", "a.txt", b"new", created_at="2026-01-01T00:00:10.5Z")
    server.write("session_1", "a.txt", b"old", created_at="2026-01-01T00:00:10Z")
    assert do(server, "fetch", "a.txt") == b"new"


def test_whatever_an_agent_calls_a_file_it_can_be_fetched(server: ManagedServer) -> None:
    content = bytes(range(256)) * 1000
    server.write("session_1", "../my report.bin", content)
    assert do(server, "fetch", "../my report.bin") == content


@pytest.mark.parametrize("operation", ["fetch", "delete"])
def test_a_name_that_is_not_there_is_not_found(server: ManagedServer, operation: str) -> None:
    server.write("session_2", "a.txt", b"another's")
    with pytest.raises(NotFound) as failed:
        do(server, operation, "a.txt")
    assert failed.value.reason == "not_found"
    assert (failed.value.name, failed.value.session_id) == ("a.txt", "session_1")
    assert len(server.files) == 1


@pytest.mark.parametrize(
    ("operation", "refused"),
    [("fetch", "GET /v1/files/file_1/content"), ("delete", "DELETE /v1/files/file_1")],
)
def test_what_goes_while_it_is_asked_for_is_not_found(
    server: ManagedServer, operation: str, refused: str
) -> None:
    server.write("session_1", "a.txt", b"one")
    server.refusing = {refused: 404}
    with pytest.raises(NotFound):
        do(server, operation, "a.txt")


def test_more_than_was_wanted_is_not_read(server: ManagedServer) -> None:
    server.write("session_1", "a.txt", b"12345")
    server.write("session_1", "b.txt", b"12345", size_bytes=1)
    assert do(server, "fetch", "a.txt", limit=5) == b"12345"
    for name in ("a.txt", "b.txt"):
        with pytest.raises(ProviderFailed) as failed:
            do(server, "fetch", name, limit=4)
        assert failed.value.reason == ("artifact_too_large", 4)
    assert len(server.requests("GET", "/file_1/content")) == 1


def test_what_was_uploaded_cannot_be_fetched_again_and_that_is_said(server: ManagedServer) -> None:
    do(server, "put", "data.csv", b"1,2")
    with pytest.raises(ProviderFailed) as failed:
        do(server, "fetch", "data.csv")
    assert failed.value.reason == "not_downloadable"


def test_what_is_put_is_uploaded_and_mounted(server: ManagedServer) -> None:
    put = do(server, "put", "data.csv", b"1,2\r\n3,4", expires_in=3600)
    assert (put.name, put.size, put.ref) == ("data.csv", 8, "file_2")
    assert put.raw["resource"]["mount_path"] == "/session/uploads/data.csv"
    assert put.raw["uploaded"]["id"] == "file_1"
    (form,) = server.requests("POST", "/files")
    assert form == {"file": ("data.csv", b"1,2\r\n3,4"), "expires_in_seconds": "3600"}
    (mounted,) = server.requests("POST", "/session_1/resources")
    assert mounted == {"file_id": "file_1", "type": "file", "mount_path": "/data.csv"}
    assert [one.ref for one in do(server, "list")] == ["file_2"]


def test_it_may_be_mounted_elsewhere(server: ManagedServer) -> None:
    do(server, "put", "data.csv", b"", mount_path="/in/1.csv")
    (mounted,) = server.requests("POST", "/session_1/resources")
    assert mounted["mount_path"] == "/in/1.csv"


def test_what_cannot_be_mounted_is_not_left_in_the_workspace(server: ManagedServer) -> None:
    server.refusing = {"/resources": 400}
    with pytest.raises(ProviderFailed) as failed:
        do(server, "put", "data.csv", b"1,2")
    assert failed.value.reason == ("mount_failed", ("status", 400))
    assert server.files == {}


def test_what_cannot_be_uploaded_is_told_and_not_tried_again(server: ManagedServer) -> None:
    server.refusing = {"/files": 503}
    with pytest.raises(ProviderFailed) as failed:
        do(server, "put", "data.csv", b"1,2")
    assert failed.value.reason == ("upload_failed", ("status", 503))
    assert len(server.calls) == 1


def test_the_newest_of_a_name_is_deleted_and_no_other(server: ManagedServer) -> None:
    kept = server.write("session_1", "a.txt", b"one")
    server.write("session_1", "a.txt", b"two")
    do(server, "delete", "a.txt")
    assert list(server.files) == [kept]


def test_what_was_put_is_taken_out_of_the_session(server: ManagedServer) -> None:
    do(server, "put", "a.txt", b"one")
    do(server, "delete", "a.txt")
    assert server.resources["session_1"] == []
    assert do(server, "list") == ()


def test_what_cannot_be_taken_out_of_the_session_stays_whole(server: ManagedServer) -> None:
    do(server, "put", "a.txt", b"one")
    server.refusing = {"DELETE /v1/sessions/session_1/resources/resource_1": 503}
    with pytest.raises(ProviderFailed) as failed:
        do(server, "delete", "a.txt")
    assert failed.value.reason == ("status", 503)
    assert [one.ref for one in do(server, "list")] == ["file_2"]
    server.refusing = {"DELETE /v1/sessions/session_1/resources/resource_1": 404}
    do(server, "delete", "a.txt")
    assert do(server, "list") == ()


def test_reading_is_tried_again(server: ManagedServer) -> None:
    server.refusing = {"/files": 503}
    with pytest.raises(ProviderFailed) as failed:
        do(server, "list")
    assert failed.value.reason == ("status", 503)
    assert len(server.calls) == 4


@pytest.mark.parametrize("data", [None, "none", [1], {"a": 1}, [{"id": "file_1"}]])
def test_a_list_that_makes_no_sense_is_a_failure_in_words(server: ManagedServer, data: Any) -> None:
    server.answering = {"/files": {"data": data}}
    with pytest.raises(ProviderFailed) as failed:
        do(server, "list")
    assert failed.value.reason in ("malformed_list", "malformed_artifact")


def test_a_list_that_never_ends_is_an_error(server: ManagedServer) -> None:
    server.write("session_1", "a.txt", b"")
    server.page = 0
    with pytest.raises(ProviderFailed) as failed:
        do(server, "list")
    assert failed.value.reason == "malformed_list"


@pytest.mark.parametrize(
    ("operation", "args", "options", "field"),
    [
        ("fetch", ("",), {}, "name"),
        ("fetch", (None,), {}, "name"),
        ("fetch", ("a",), {"limit": 0}, "limit"),
        ("fetch", ("a",), {"limit": True}, "limit"),
        ("delete", (3,), {}, "name"),
        *[
            ("put", (name, b""), {}, "name")
            for name in ("", "..", "a/b", "a b", "a\nb", "é", "a;b")
        ],
        ("put", ("a" * 256, b""), {}, "name"),
        ("put", ("a", "text"), {}, "content"),
        *[("put", ("a", b""), {"mount_path": path}, "mount_path") for path in ("", "a", "/../a")],
        *[("put", ("a", b""), {"expires_in": soon}, "expires_in") for soon in (0, 3599, "1", True)],
    ],
)
def test_what_cannot_be_is_refused_before_anything_is_sent(
    server: ManagedServer, operation: str, args: Any, options: Any, field: str
) -> None:
    with pytest.raises(InvalidInput) as failed:
        do(server, operation, *args, **options)
    assert failed.value.field == field
    assert server.calls == []


@pytest.mark.parametrize("session_id", [None, "", "a/b", "a b", 1])
def test_a_session_that_cannot_be_is_refused(session_id: Any) -> None:
    with pytest.raises(InvalidInput) as failed:
        managed_agents().artifacts(session_id)
    assert failed.value.field == "session_id"


def test_the_key_goes_with_each_request_and_stands_in_no_error(server: ManagedServer) -> None:
    server.refusing = {"/files": 401}
    with pytest.raises(ProviderFailed) as failed:
        do(server, "list")
    assert failed.value.exit.kind == "auth"
    assert KEY not in repr(failed.value) + str(failed.value)
    ((_, path, headers, _),) = server.calls
    assert "scope_id=session_1" in path
    assert {key.lower(): value for key, value in headers.items()}["authorization"] == (
        f"Bearer {KEY}"
    )
