"""The threads that Codex has kept: listed by the official client, from a program of its own.

No session has a part in it: a program is started, asked, and ended before this returns. Imported
only where the client is (extra `codex`).
"""

from __future__ import annotations

import subprocess
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from openai_codex.client import CodexClient

if TYPE_CHECKING:
    from beam.ports.spec import PortSpec

__all__ = ["kept_threads"]


class _Lister(CodexClient):
    """A client whose program gets our environment for it, and not all that we have."""

    def __init__(self, spec: PortSpec) -> None:
        super().__init__(None, lambda method, params: {"decision": "decline"})
        self._spec = spec

    def start(self) -> None:
        self._proc = subprocess.Popen(
            self._spec.argv,
            env=dict(self._spec.env or ()),
            cwd=self._spec.cwd,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
            encoding="utf-8",
            bufsize=1,
        )
        self._start_reader_thread()

    def close(self) -> None:
        program = self._proc
        super().close()
        if program is not None:
            program.wait()
            if program.stdout is not None:
                program.stdout.close()


def kept_threads(spec: PortSpec, cwd: str | None, limit: int) -> list[dict[str, Any]]:
    """Return the threads, the one that was used last first. Blocks.

    Args:
        spec: the program.
        cwd: only those of this folder; None for all.
        limit: the most.

    Raises:
        JsonRpcError, TransportClosedError: of the client; they could not be listed.
    """
    # With no provider named, those of all providers are meant.
    wanted: dict[str, Any] = {"limit": limit, "sortKey": "updated_at", "modelProviders": []}
    if cwd is not None:
        wanted["cwd"] = cwd
    with _Lister(spec) as client:
        client.initialize()
        found = client.thread_list(wanted).data
    return [_told(each.model_dump(by_alias=True, mode="json")) for each in found]


def _told(thread: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "id": thread["id"],
        "summary": thread.get("name") or thread.get("preview") or "",
        "cwd": thread.get("cwd"),
        "modified_at": int(thread.get("updatedAt") or 0) * 1000,
    }
