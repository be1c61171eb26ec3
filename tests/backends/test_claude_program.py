"""How Claude Code's program is started: without the program, and without its client."""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest

from beam.backends import claude
from beam.backends.backend import Opening
from beam.backends.claude_conversation import Conversation
from beam.backends.claude_program import config_folder, servers_file, with_config
from beam.backends.host_lines import HostTool
from beam.errors import InvalidInput

SECRET = "sk-ant-hunter2"


@pytest.fixture
def options(tmp_path: Path) -> dict[str, Any]:
    return {"cli_path": sys.executable, "config_dir": tmp_path / "config"}


def opening(**more: Any) -> Opening:
    session: Any = None
    return Opening(session, "session_1", **more)


def kept(folder: Path, name: str, text: str = '{"type":"user"}\n') -> Path:
    path = folder / "config" / "projects" / "-home-ada" / f"{name}.jsonl"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    return path


def test_a_new_session_begins_a_conversation_of_a_new_name(options: dict[str, Any]) -> None:
    first = Conversation.of(claude(**options).spec_for(opening()).argv)
    second = Conversation.of(claude(**options).spec_for(opening()).argv)
    assert (first.resumes, first.forks) == (False, "")
    assert first.id != second.id


def test_a_conversation_that_the_program_has_kept_is_resumed(
    options: dict[str, Any], tmp_path: Path
) -> None:
    name = str(uuid4())
    kept(tmp_path, name)
    line = claude(**options).spec_for(opening(resume=name)).argv
    assert Conversation.of(line) == Conversation(name, resumes=True)


@pytest.mark.parametrize("name", ["71d7b8ff-a7d9-45c0-bf82-14f56ebcae63", "../../x", "--help"])
def test_a_conversation_that_it_has_not_kept_is_begun_anew(
    options: dict[str, Any], name: str
) -> None:
    found = Conversation.of(claude(**options).spec_for(opening(resume=name)).argv)
    assert not found.resumes
    assert found.id != name


def test_a_conversation_without_words_is_begun_anew_for_the_program_would_refuse_it(
    options: dict[str, Any], tmp_path: Path
) -> None:
    name = str(uuid4())
    kept(tmp_path, name, '{"type":"queue-operation","operation":"enqueue"}\n')
    assert not Conversation.of(claude(**options).spec_for(opening(resume=name)).argv).resumes


def test_a_fork_is_a_conversation_of_a_new_name_with_the_old_ones_past(
    options: dict[str, Any], tmp_path: Path
) -> None:
    name = str(uuid4())
    kept(tmp_path, name)
    line = claude(**options).spec_for(opening(options={"fork": name})).argv
    found = Conversation.of(line)
    assert found.forks == name
    assert found.id != name
    assert "--fork-session" in line


def test_a_fork_of_nothing_is_refused(options: dict[str, Any]) -> None:
    with pytest.raises(InvalidInput, match="fork"):
        claude(**options).spec_for(opening(options={"fork": str(uuid4())}))


def test_a_session_that_has_gone_on_from_its_fork_goes_on_in_its_own_conversation(
    options: dict[str, Any], tmp_path: Path
) -> None:
    old, own = str(uuid4()), str(uuid4())
    kept(tmp_path, old)
    kept(tmp_path, own)
    line = claude(**options).spec_for(opening(resume=own, options={"fork": old})).argv
    assert Conversation.of(line) == Conversation(own, resumes=True)


def test_the_sessions_model_and_mode_count_before_the_backends(options: dict[str, Any]) -> None:
    backend = claude(model="opus", permission_mode="plan", **options)
    assert {"--model=opus", "--permission-mode=plan"} <= set(backend.spec_for(opening()).argv)
    chosen = opening(model="haiku", permission_mode="accept_edits")
    line = backend.spec_for(chosen).argv
    assert {"--model=haiku", "--permission-mode=acceptEdits"} <= set(line)


def test_a_sessions_system_text_is_appended_to_the_programs_own(options: dict[str, Any]) -> None:
    line = claude(**options).spec_for(opening(options={"system": "Be brief."})).argv
    assert "--append-system-prompt=Be brief." in line


def test_a_value_cannot_be_taken_for_an_option(options: dict[str, Any]) -> None:
    line = claude(model="--dangerously-skip-permissions", **options).spec_for(opening()).argv
    assert "--dangerously-skip-permissions" not in line


def test_no_secret_is_in_the_command_line_or_in_a_repr(
    options: dict[str, Any], tmp_path: Path
) -> None:
    key = tmp_path / "key"
    key.write_text(SECRET)
    servers = {"search": {"command": "search", "env": {"TOKEN": SECRET}}}
    backend = claude(secret_file=key, env={"OTHER": SECRET}, mcp_servers=servers, **options)
    spec = backend.spec_for(opening())
    assert SECRET not in " ".join(spec.argv)
    assert SECRET not in repr(spec) + repr(backend)
    assert dict(spec.env or ())["ANTHROPIC_API_KEY"] == SECRET


def test_mcp_servers_are_in_a_file_that_only_its_owner_reads(options: dict[str, Any]) -> None:
    servers = {"search": {"command": "search", "args": ["-v"]}}
    spec = claude(**options).spec_for(opening(mcp_servers=servers))
    file = servers_file(spec.argv)
    assert file is not None
    assert file.stat().st_mode & 0o077 == 0
    assert json.loads(file.read_text())["mcpServers"]["search"]["args"] == ["-v"]


def test_a_sessions_own_tools_are_a_server_in_this_process(options: dict[str, Any]) -> None:
    spec = claude(allowed_tools=["Read"], **options).spec_for(opening(tools=(HostTool("add"),)))
    [said] = [word for word in spec.argv if word.startswith("--mcp-config=")]
    assert json.loads(said.split("=", 1)[1])["mcpServers"]["beam"]["type"] == "sdk"
    assert servers_file(spec.argv) is None
    assert "--allowedTools=Read,mcp__beam" in spec.argv


def test_no_other_server_can_pass_for_the_sessions_own(options: dict[str, Any]) -> None:
    with pytest.raises(InvalidInput, match="another name"):
        claude(**options).spec_for(opening(mcp_servers={"beam": {"command": "impostor"}}))


def test_the_program_gets_no_credentials_of_others(
    options: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "theirs")
    monkeypatch.setenv("GITHUB_TOKEN", "named")
    monkeypatch.setenv("ANTHROPIC_API_KEY", "own")
    monkeypatch.setenv("CLAUDECODE", "1")
    variables = claude(inherit=["GITHUB_TOKEN"], **options).environment()
    assert "OPENAI_API_KEY" not in variables
    assert "CLAUDECODE" not in variables
    assert (variables["GITHUB_TOKEN"], variables["ANTHROPIC_API_KEY"]) == ("named", "own")


def test_updates_and_telemetry_are_off_unless_the_user_says_otherwise(
    options: dict[str, Any],
) -> None:
    variables = claude(env={"DISABLE_TELEMETRY": "0"}, **options).environment()
    assert (variables["DISABLE_AUTOUPDATER"], variables["DISABLE_TELEMETRY"]) == ("1", "0")


def test_with_its_own_login_the_programs_configuration_is_the_users() -> None:
    settled = with_config({"HOME": "/home/ada"})
    assert "CLAUDE_CONFIG_DIR" not in settled
    assert config_folder(settled) == Path("/home/ada/.claude")


def test_with_other_credentials_its_configuration_is_apart() -> None:
    settled = with_config({"HOME": "/home/ada", "ANTHROPIC_API_KEY": "k"})
    assert settled["CLAUDE_CONFIG_DIR"] == "/home/ada/.local/state/beam/claude"
    assert config_folder(settled) == Path("/home/ada/.local/state/beam/claude")


def test_a_program_that_is_not_there_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InvalidInput, match="cli_path"):
        claude(cli_path=tmp_path / "none").find()


def test_other_options_of_the_program_are_passed_on(options: dict[str, Any]) -> None:
    backend = claude(options={"agent": "reviewer", "bare": None}, **options)
    assert {"--agent=reviewer", "--bare"} <= set(backend.spec_for(opening()).argv)
    with pytest.raises(InvalidInput, match="without its dashes"):
        claude(options={"--bare": None}, **options)


def test_a_permission_mode_that_does_not_exist_is_refused() -> None:
    with pytest.raises(InvalidInput, match="permission_mode"):
        claude(permission_mode="yes")


def test_a_machine_without_the_client_is_told_which_extra_it_needs(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(sys.modules["beam.backends.claude"], "find_spec", lambda name: None)
    with pytest.raises(InvalidInput, match=r"beam-fleet\[claude\]"):
        claude().check()


def test_the_conversations_that_were_kept_are_listed_the_newest_first(
    options: dict[str, Any], tmp_path: Path
) -> None:
    names = [str(uuid4()) for _ in range(3)]
    for number, name in enumerate(names):
        said = {"type": "user", "cwd": str(tmp_path), "message": {"content": f"prompt {number}"}}
        lines = [{"type": "queue-operation"}, {**said, "isMeta": True}, said]
        text = "".join(json.dumps(line, separators=(",", ":")) + "\n" for line in lines)
        path = kept(tmp_path, name, text + '{"type":"user","torn')
        os.utime(path, (number, number))
    kept(tmp_path, str(uuid4()), "no words\n")
    found = claude(**options).conversations(str(tmp_path))
    assert [(each["id"], each["title"]) for each in found] == [
        (names[2], "prompt 2"),
        (names[1], "prompt 1"),
        (names[0], "prompt 0"),
    ]
    assert found[0]["updated_at"] == 2000
    assert claude(**options).conversations("/elsewhere") == []
    assert len(claude(**options).conversations()) == 3
