"""The state's processes under a supervisor, on a log; and what a test does to them."""

from contextlib import contextmanager

from beam.log import Log, MemoryStore, Shelf
from beam.otp import Down, Mailbox, Node, Supervisor, exit, monitor
from beam.state import ControlReads, RunsReads, RuntimeReads, WaitingRuns, state_children
from beam.state.journal import Journal

PATIENCE = 30.0
"""Seconds that a wait may take before it counts as hung."""


class State:
    """The running processes of one fleet's state."""

    def __init__(self, node, tree, waiting):
        self.node = node
        self.tree = tree
        self.waiting = waiting
        self.journal = Journal.of(node)
        self.reads = ControlReads(node)
        self.runtime_reads = RuntimeReads(node)
        self.runs_reads = RunsReads(node)

    @property
    def control(self):
        return self.node.whereis("control").proxy()

    @property
    def runtime(self):
        return self.node.whereis("runtime").proxy()

    def ask(self, session_id="s", method="write", params=None, **context):
        """Ask for a permission; the future of the decision."""
        params = {"path": "a.py"} if params is None else params
        return self.control.request_permission(session_id, method, params, context)

    def handle(self, handler, session_id="s", **options):
        """Register a permission handler."""
        options = {"permission_handler": handler, **options}
        self.control.register_session_callbacks(session_id, options).get(timeout=PATIENCE)

    def kill(self, name):
        """Kill the process of this name, and wait until the next one of the name runs."""
        with Mailbox() as me:
            old = self.node.whereis(name)
            monitor(old)
            exit(old, "kill")
            assert isinstance(me.receive(timeout=PATIENCE), Down)
        # The supervisor answers after it has restarted what had died before.
        self.tree.which_children()
        new = self.node.whereis(name)
        assert new is not None
        assert new != old
        return new

    def handlers(self):
        """Return the rows of the handlers at work."""
        return list(self.reads._rows_now().handlers())

    def events(self, session_id="s", *types):
        """Return what the log has of a session: types and data."""
        found = self.journal.read(session_id, types=types or None)
        return [(event.type, event.data) for event in found]

    def types(self, session_id="s"):
        return [kind for kind, _ in self.events(session_id)]


@contextmanager
def running(open_store=MemoryStore, **options):
    """Run the state's processes in a node of their own."""
    with Node() as node:
        Log.start(Shelf(open_store), name="log")
        waiting = WaitingRuns()
        children = state_children(waiting, **options)
        tree = Supervisor.start(children, max_restarts=10_000, max_seconds=1)
        yield State(node, tree, waiting)


def closing(get):
    """Return the exception that a future's get raises."""
    try:
        get()
    except Exception as error:  # noqa: BLE001 - the test looks at it
        return error
    raise AssertionError("nothing was raised")
