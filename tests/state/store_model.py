"""The stores of sessions and threads as plain lists: what they must amount to, whatever happens."""

from __future__ import annotations

from dataclasses import dataclass, field


@dataclass
class Said:
    """A message: its name, and the threads of this session that it belongs to."""

    name: str
    threads: set[str] = field(default_factory=set)
    hidden: bool = False
    rolled_back: set[str] = field(default_factory=set)
    """The threads in which it is hidden."""

    def in_thread(self, thread_id: str) -> bool:
        return thread_id in self.threads


@dataclass
class Kept:
    """A session."""

    said: list[Said] = field(default_factory=list)
    share: str | None = None
    parent: str | None = None


class Model:
    """All sessions, and their threads."""

    def __init__(self) -> None:
        self.sessions: dict[str, Kept] = {}
        self.threads: dict[str, dict[str, dict[str, object]]] = {}
        self.active: dict[str, str | None] = {}

    # Sessions

    def record(self, session_id: str, name: str, thread_id: str | None) -> None:
        kept = self.sessions.setdefault(session_id, Kept())
        known = thread_id is not None and thread_id in self.threads.get(session_id, {})
        kept.said.append(Said(name, {thread_id} if known else set()))

    def shown(self, session_id: str) -> list[str]:
        return [one.name for one in self.sessions[session_id].said if not one.hidden]

    def everything(self, session_id: str) -> list[str]:
        return [one.name for one in self.sessions[session_id].said]

    def revert(self, session_id: str, count: int) -> None:
        said = self.sessions[session_id].said
        at = min(count, len(said)) - 1
        # Back to a hidden message: those around it are shown again, up to it.
        first = last = at
        while at >= 0 and said[at].hidden and first >= 0 and said[first].hidden:
            first -= 1
        while at >= 0 and said[at].hidden and last < len(said) and said[last].hidden:
            last += 1
        if at >= 0 and said[at].hidden:
            for one in said[first + 1 : last]:
                one.hidden = False
        for one in said[at + 1 :]:
            one.hidden = True

    def unrevert(self, session_id: str) -> None:
        for one in self.sessions[session_id].said:
            one.hidden = False

    def fork(self, session_id: str, new_id: str, include_hidden: bool) -> None:
        said = [one for one in self.sessions[session_id].said if include_hidden or not one.hidden]
        self.sessions[new_id] = Kept([Said(one.name) for one in said], parent=session_id)

    def delete(self, session_id: str) -> None:
        self.sessions.pop(session_id, None)

    # Threads

    def start_thread(self, session_id: str, thread_id: str, parent: str | None = None) -> None:
        for one in self._said(session_id):
            one.threads.discard(thread_id)
            one.rolled_back.discard(thread_id)
        threads = self.threads.setdefault(session_id, {})
        threads.pop(thread_id, None)
        threads[thread_id] = {"status": "active", "archived": False, "parent": parent}
        self.active[session_id] = thread_id

    def fork_thread(self, session_id: str, thread_id: str, new_id: str) -> None:
        shown = [one for one in self._said(session_id) if one.name in
                 self.thread_shown(session_id, thread_id)]  # fmt: skip
        self.start_thread(session_id, new_id, thread_id)
        for one in shown:
            one.threads.add(new_id)

    def rollback(self, session_id: str, thread_id: str, count: int) -> None:
        visible = [one for one in self._of(session_id, thread_id)
                   if thread_id not in one.rolled_back]  # fmt: skip
        keep = max(0, len(visible) - count)
        for one in visible[keep:]:
            one.rolled_back.add(thread_id)

    def delete_thread(self, session_id: str, thread_id: str) -> None:
        self.threads[session_id].pop(thread_id)
        for one in self._said(session_id):
            one.threads.discard(thread_id)
            one.rolled_back.discard(thread_id)
        if self.active.get(session_id) == thread_id:
            self.active[session_id] = None

    def thread_all(self, session_id: str, thread_id: str) -> list[str]:
        return [one.name for one in self._of(session_id, thread_id)]

    def thread_shown(self, session_id: str, thread_id: str) -> list[str]:
        return [one.name for one in self._of(session_id, thread_id)
                if not one.hidden and thread_id not in one.rolled_back]  # fmt: skip

    def visible_count(self, session_id: str, thread_id: str) -> int:
        return sum(thread_id not in one.rolled_back for one in self._of(session_id, thread_id))

    def _said(self, session_id: str) -> list[Said]:
        kept = self.sessions.get(session_id)
        return [] if kept is None else kept.said

    def _of(self, session_id: str, thread_id: str) -> list[Said]:
        return [one for one in self._said(session_id) if one.in_thread(thread_id)]
