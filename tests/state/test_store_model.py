"""The stores against a plain model of them, through any history, with crashes at any point.

After every step all of the stores is compared: what is shown, what is hidden, what is counted. The
owner is killed between steps and in the midst of them; the log is closed and opened again, with its
snapshots and without. At the end a rebuild from the bare log gives the same table, to the byte.
"""

from __future__ import annotations

import contextlib
import shutil
import tempfile
from pathlib import Path
from unittest import mock

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from beam.errors import AlreadyExists, CallExit, NotFound
from beam.log import SqliteStore
from beam.model.messages import UserMessage
from beam.otp import exit
from beam.state import SessionHistory, ThreadHistory, checkpoints
from beam.state.store_changes import recorded
from tests.state.rebuilding import as_bytes, rebuilt, without_snapshots
from tests.state.running import PATIENCE, running
from tests.state.store_model import Model
from tests.volume import scaled

SESSIONS = st.sampled_from(["a", "b", "c"])
THREADS = st.sampled_from(["t", "u", "v"])


class StoresMachine(RuleBasedStateMachine):
    """Walks the stores and their model through one history."""

    def __init__(self) -> None:
        super().__init__()
        self.directory = Path(tempfile.mkdtemp())
        self.path = self.directory / "fleet.db"
        self.model = Model()
        self.ends = contextlib.ExitStack()
        # A checkpoint every few records, so that the log is opened from one.
        for name, value in (("EVERY", 5), ("FOR_EACH_ROW", 0)):
            self.ends.enter_context(mock.patch.object(checkpoints, name, value))
        self.life = contextlib.ExitStack()
        self.names = 0

    @initialize()
    def begin(self) -> None:
        self.open()

    def open(self) -> None:
        store = SqliteStore.open(self.path, durability="process")
        self.state = self.life.enter_context(running(lambda: store))
        self.life.callback(self.state.tree.stop, timeout=PATIENCE)
        self.sessions = SessionHistory(self.state.node)
        self.threads = ThreadHistory(self.state.node)

    def message(self) -> UserMessage:
        self.names += 1
        return UserMessage(content=f"m{self.names}", uuid=f"m{self.names}")

    # Sessions

    @rule(session_id=SESSIONS, thread_id=st.none() | THREADS)
    def record(self, session_id, thread_id):
        message = self.message()
        if thread_id is None:
            self.sessions.record_message(session_id, message)
        else:
            self.threads.record_thread_message(session_id, thread_id, message)
        self.model.record(session_id, message.content, thread_id)

    @rule(session_id=SESSIONS, count=st.integers(0, 6), by_name=st.booleans())
    def revert(self, session_id, count, by_name):
        if session_id not in self.model.sessions:
            return
        names = self.model.everything(session_id)
        if by_name and 0 < count <= len(names):
            self.sessions.revert_session(session_id, {"uuid": names[count - 1]})
        else:
            self.sessions.revert_session(session_id, {"visible_message_count": count})
        self.model.revert(session_id, count)

    @rule(session_id=SESSIONS)
    def unrevert(self, session_id):
        if session_id in self.model.sessions:
            self.sessions.unrevert_session(session_id)
            self.model.unrevert(session_id)

    @rule(session_id=SESSIONS, new_id=SESSIONS, include_hidden=st.booleans())
    def fork(self, session_id, new_id, include_hidden):
        opts = {"session_id": new_id, "include_hidden": include_hidden}
        if session_id not in self.model.sessions:
            error = NotFound
        elif new_id in self.model.sessions:
            error = AlreadyExists
        else:
            self.sessions.fork_session(session_id, opts)
            self.model.fork(session_id, new_id, include_hidden)
            return
        with contextlib.suppress(error):
            self.sessions.fork_session(session_id, opts)
            raise AssertionError("it was not refused")

    @rule(session_id=SESSIONS)
    def delete(self, session_id):
        self.sessions.delete_session(session_id)
        self.model.delete(session_id)

    @rule(session_id=SESSIONS, revoked=st.booleans())
    def share(self, session_id, revoked):
        kept = self.model.sessions.get(session_id)
        if kept is not None and (not revoked or kept.share is not None):
            if revoked:
                self.sessions.unshare_session(session_id)
            else:
                self.sessions.share_session(session_id)
            kept.share = "revoked" if revoked else "active"

    # Threads

    @rule(session_id=SESSIONS, thread_id=THREADS)
    def start_thread(self, session_id, thread_id):
        self.threads.start_thread(session_id, {"thread_id": thread_id})
        self.model.start_thread(session_id, thread_id)

    @rule(session_id=SESSIONS, thread_id=THREADS, new_id=THREADS)
    def fork_thread(self, session_id, thread_id, new_id):
        known = self.model.threads.get(session_id, {})
        if thread_id in known and new_id not in known:
            self.threads.fork_thread(session_id, thread_id, {"thread_id": new_id})
            self.model.fork_thread(session_id, thread_id, new_id)

    @rule(session_id=SESSIONS, thread_id=THREADS, count=st.integers(0, 4))
    def rollback(self, session_id, thread_id, count):
        if thread_id in self.model.threads.get(session_id, {}):
            self.threads.rollback_thread(session_id, thread_id, {"count": count})
            self.model.rollback(session_id, thread_id, count)

    @rule(session_id=SESSIONS, thread_id=THREADS, what=st.sampled_from(["archive", "resume"]))
    def change_thread(self, session_id, thread_id, what):
        thread = self.model.threads.get(session_id, {}).get(thread_id)
        if thread is None:
            return
        getattr(self.threads, f"{what}_thread")(session_id, thread_id)
        thread["archived"] = what == "archive"
        thread["status"] = "archived" if what == "archive" else "active"
        if what == "resume":
            self.model.active[session_id] = thread_id

    @rule(session_id=SESSIONS, thread_id=THREADS)
    def delete_thread(self, session_id, thread_id):
        self.threads.delete_thread(session_id, thread_id)
        if thread_id in self.model.threads.get(session_id, {}):
            self.model.delete_thread(session_id, thread_id)

    # Crashes

    @rule()
    def kill(self):
        self.state.kill("store")

    @rule(session_id=SESSIONS, first=st.booleans())
    def kill_in_the_midst(self, session_id, first):
        """Kill the owner while a change is under way: it was made, or it was not."""
        message = self.message()
        store = self.state.node.whereis("store")
        proxy = store.proxy()
        if first:
            exit(store, "kill")
        with contextlib.suppress(CallExit):
            future = proxy.change(session_id, recorded([message]))
            exit(store, "kill")
            future.get(timeout=PATIENCE)
        self.state.tree.which_children()
        self.state.journal.settle()
        with contextlib.suppress(NotFound):
            opts = {"include_hidden": True}
            names = [one.content for one in self.sessions.get_session_messages(session_id, opts)]
            if message.content in names:
                self.model.record(session_id, message.content, None)

    @rule(snapshots=st.booleans())
    def open_again(self, snapshots):
        self.life.close()
        if not snapshots:
            without_snapshots(self.path)
        self.open()

    @precondition(lambda self: self.names)
    @invariant()
    def all_of_it_is_as_in_the_model(self):
        listed = {one.session_id: one for one in self.sessions.list_sessions()}
        assert set(listed) == set(self.model.sessions)
        for session_id, kept in self.model.sessions.items():
            told = self.sessions.get_session(session_id)
            assert told == listed[session_id]
            assert told.message_count == len(kept.said)
            assert self.heard(session_id) == self.model.shown(session_id)
            everything = self.heard(session_id, include_hidden=True)
            assert everything == self.model.everything(session_id)
            share = told.extra.get("share")
            assert (share["status"] if share else None) == kept.share
            fork = told.extra.get("fork")
            assert (fork["parent_session_id"] if fork else None) == kept.parent
        for session_id, threads in self.model.threads.items():
            self.threads_are_as_in_the_model(session_id, threads)

    def threads_are_as_in_the_model(self, session_id, threads):
        told = {one.thread_id: one for one in self.threads.list_threads(session_id)}
        assert set(told) == set(threads)
        for thread_id, known in threads.items():
            one = told[thread_id]
            assert (one.status, one.archived) == (known["status"], known["archived"])
            assert one.parent_thread_id == known["parent"]
            everything = self.model.thread_all(session_id, thread_id)
            assert one.message_count == len(everything)
            visible = self.model.visible_count(session_id, thread_id)
            assert one.visible_message_count == visible
            found = self.threads.get_thread_messages(session_id, thread_id)
            shown = self.model.thread_shown(session_id, thread_id)
            assert [each.content for each in found] == shown
        try:
            active = self.threads.active_thread(session_id)
        except NotFound:
            active = None
        assert active == self.model.active.get(session_id)

    def heard(self, session_id, **opts):
        return [one.content for one in self.sessions.get_session_messages(session_id, opts)]

    def teardown(self):
        try:
            if hasattr(self, "state"):
                # What it was told last is in its table when it has answered this.
                self.sessions.register_session("end", {})
                assert rebuilt(self.state, "store") == as_bytes(self.state, "store")
        finally:
            self.life.close()
            self.ends.close()
            shutil.rmtree(self.directory)


TestStores = StoresMachine.TestCase
TestStores.settings = settings(
    max_examples=scaled(400, 40),
    stateful_step_count=40,
    deadline=None,
    suppress_health_check=list(HealthCheck),
)
