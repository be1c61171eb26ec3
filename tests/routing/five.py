"""The five well-known backends, every one able to do everything, as most tests want them."""

from beam.model.capabilities import CAPABILITIES
from beam.routing import BackendSet, Breakers, Decision, Memory, commit, parse_request, select

FIVE = ("claude", "codex", "copilot", "gemini", "opencode")

BACKENDS = BackendSet.of(dict.fromkeys(FIVE, CAPABILITIES))


class Desk:
    """A router's state, asked as the router asks it: choose, then make it count."""

    def __init__(self, backends: BackendSet = BACKENDS) -> None:
        self.backends = backends
        self.memory = Memory()
        self.breakers = Breakers()

    def route(self, now: float = 0.0, **request: object) -> Decision:
        """Return the decision for the request's fields, and make it count."""
        parsed = parse_request(request, self.backends)
        selection = select(parsed, self.backends, self.memory, self.breakers, now)
        commit(selection, self.memory, self.breakers, now)
        return selection.decision
