"""The files of a folder of an AgentCore session, by commands that run where the agent runs.

A harness whose environment has `sessionStorage` keeps a folder for each session; what the agent
writes there are its artifacts. Each operation is a short Python program in the session, and what a
file holds comes and goes as base64: for reports, not for gigabytes. A file is there once at most,
so the newest of a name is the only one. While it is put it is a hidden `.part`, in no list.
"""

from __future__ import annotations

import base64
import json
import re
import shlex
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any, Final

from beam.errors import InvalidInput, NotFound, ProviderFailed
from beam.providers.artifacts import LIMIT, checked_content, checked_limit, checked_name
from beam.providers.harness_wire import Reading
from beam.providers.pace import Pace
from beam.providers.values import Artifact

__all__ = ["HarnessFiles", "checked_folder"]

# The wire takes 65,536 characters of a command.
_PIECE: Final = 48_000
_NOT_THERE, _TOO_LARGE = 3, 4
_SAID: Final = 1_000_000
"""The most characters that a command may say besides a file."""

_FOLDER = re.compile(r"(/[A-Za-z0-9_-][A-Za-z0-9._-]*)+")

_LIST: Final = """\
import json, os, sys
found = [e for e in os.scandir(sys.argv[1]) if e.is_file(follow_symlinks=False)]
found = [e for e in found if not (e.name.startswith(".") and e.name.endswith(".part"))]
found.sort(key=lambda e: (-e.stat().st_mtime_ns, e.name))
print(json.dumps([[e.name, e.stat().st_size] for e in found]))
"""
_FETCH: Final = f"""\
import base64, os, sys
path = sys.argv[1]
if not os.path.isfile(path): sys.exit({_NOT_THERE})
if os.path.getsize(path) > int(sys.argv[2]): sys.exit({_TOO_LARGE})
sys.stdout.write(base64.b64encode(open(path, "rb").read()).decode())
"""
_APPEND: Final = """\
import base64, sys
open(sys.argv[1], sys.argv[2]).write(base64.b64decode(sys.argv[3]))
"""
_MOVE: Final = """\
import os, sys
os.replace(sys.argv[1], sys.argv[2])
"""
_DELETE: Final = f"""\
import os, sys
if not os.path.isfile(sys.argv[1]): sys.exit({_NOT_THERE})
os.remove(sys.argv[1])
"""

Reach = Callable[[], Awaitable[tuple[Any, str]]]


@dataclass(frozen=True, slots=True)
class _Outcome:
    code: int
    said: str
    complained: str


class HarnessFiles:
    """The files of one session; see the module, and `beam.providers.artifacts.Artifacts`.

    Args:
        reach: returns the official client, and the ARN of the runtime.
        session_id: the session.
        folder: where its storage is.
        pace: where names of half files come from.
    """

    def __init__(self, reach: Reach, session_id: str, folder: str, pace: Pace) -> None:
        self._reach = reach
        self._pace = pace
        self._session_id = session_id
        self._folder = folder

    async def list(self) -> tuple[Artifact, ...]:
        """Return all files, the newest first.

        Raises:
            ProviderFailed: they could not be listed; `malformed_list`.
        """
        outcome = _done(await self._run(_LIST, self._folder))
        try:
            found = json.loads(outcome.said)
            return tuple(
                Artifact(str(name), int(size), f"{self._folder}/{name}") for name, size in found
            )
        except (ValueError, TypeError) as error:
            raise ProviderFailed("malformed_list", str(error)) from None

    async def fetch(self, name: str, *, limit: int = LIMIT) -> bytes:
        """Return the content of a file.

        Args:
            name: the file: letters, digits and `. _ -`.
            limit: the most bytes that it may have.

        Raises:
            NotFound: there is none of that name.
            InvalidInput: an argument is not what it must be.
            ProviderFailed: `("artifact_too_large", limit)`; it could not be fetched.
        """
        path, most = self._path(name), checked_limit(limit)
        room = 4 * (most // 3 + 1)
        outcome = await self._run(_FETCH, path, str(most), room=room)
        if outcome.code == _TOO_LARGE:
            raise ProviderFailed(("artifact_too_large", most), f"more than {most} bytes")
        try:
            return base64.b64decode(self._there(outcome, name).said, validate=True)
        except ValueError as error:
            raise ProviderFailed("malformed_artifact", str(error)) from None

    async def put(self, name: str, content: bytes) -> Artifact:
        """Write a file, in the place of one of that name; the agent sees all of it or none.

        Raises:
            InvalidInput: an argument is not what it must be; nothing was sent.
            ProviderFailed: it could not be written; what was there is as it was.
        """
        path, given = self._path(name), checked_content(content)
        # Two that put one name at once do not write into one file.
        part = f"{self._folder}/{self._pace.new_id('.', 16)}.part"
        size = _PIECE // 4 * 3
        for at in range(0, max(len(given), 1), size):
            piece = base64.b64encode(given[at : at + size]).decode()
            _done(await self._run(_APPEND, part, "ab" if at else "wb", piece))
        _done(await self._run(_MOVE, part, path))
        return Artifact(name, len(given), path)

    async def delete(self, name: str) -> None:
        """Delete a file.

        Raises:
            NotFound: there is none of that name.
            InvalidInput: the name is none.
            ProviderFailed: it could not be deleted.
        """
        self._there(await self._run(_DELETE, self._path(name)), name)

    # Inside

    def _path(self, name: str) -> str:
        return f"{self._folder}/{checked_name(name)}"

    def _there(self, outcome: _Outcome, name: str) -> _Outcome:
        if outcome.code == _NOT_THERE:
            raise NotFound(name=name, session_id=self._session_id)
        return _done(outcome)

    async def _run(self, program: str, *args: str, room: int = _SAID) -> _Outcome:
        """Run a program in the session.

        Raises:
            ProviderFailed: it could not be run, or said too much; `command_timeout`;
                `early_termination`: the answer had no end.
        """
        client, arn = await self._reach()
        words = ["python3", "-c", program, *args]
        invoke = partial(
            client.invoke_agent_runtime_command,
            agentRuntimeArn=arn,
            runtimeSessionId=self._session_id,
            body={"command": " ".join(shlex.quote(word) for word in words)},
        )
        said: dict[str, list[str]] = {"stdout": [], "stderr": []}
        end: dict[str, Any] = {}
        left = room + _SAID

        async def take(event: Any) -> None:
            nonlocal left
            chunk = event.get("chunk") if isinstance(event, Mapping) else None
            told = chunk if isinstance(chunk, Mapping) else {}
            for stream, text in (told.get("contentDelta") or {}).items():
                left -= len(text)
                if left < 0:
                    raise ProviderFailed("command_said_too_much", f"more than {room} characters")
                said[stream].append(text)
            end.update(told.get("contentStop") or {})

        await Reading(take).read(invoke)
        if end.get("status") == "TIMED_OUT":
            raise ProviderFailed("command_timeout", "the session did not finish it in its time")
        if not isinstance(end.get("exitCode"), int):
            raise ProviderFailed("early_termination", "the answer ended without an exit code")
        return _Outcome(end["exitCode"], "".join(said["stdout"]), "".join(said["stderr"]))


def checked_folder(folder: Any) -> str:
    """Return a folder that is safe in a path and a shell.

    Raises:
        InvalidInput: it is none.
    """
    if not isinstance(folder, str) or not _FOLDER.fullmatch(folder):
        raise InvalidInput("folder", folder, "a path from / of letters, digits and . _ -")
    return folder


def _done(outcome: _Outcome) -> _Outcome:
    if outcome.code != 0:
        raise ProviderFailed(("command_failed", outcome.code), outcome.complained[-500:])
    return outcome
