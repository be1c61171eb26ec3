"""Who decides for an agent, what waits for a human, and what people said of it.

Run: python examples/control.py
"""

from typing import Any

import structlog

import beam
from beam.errors import StateRefused
from beam.model.permissions import allow, deny
from beam.otp import Server


def agent(prompt: str) -> str:
    """Answer at once."""
    return f"done: {prompt}"


def only_in_the_repository(method: str, params: Any, context: Any) -> Any:
    """Decide for the agent; what this raises, or does not answer in time, is a no."""
    return allow() if str(params["path"]).startswith("repository/") else deny("not there")


class Indexer(Server):
    """A task that the session has under way."""


def main() -> None:
    """Decide, ask a human, keep what was said; then restart everything from the log's file."""
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger("critical"))
    with beam.Fleet(backends={"agent": beam.function(agent)}) as fleet:
        session = fleet.start_session(permission_handler=only_in_the_repository)
        control = fleet.control
        for path in ("repository/a.py", "/etc/passwd"):
            print(path, control.request_permission(session, "write", {"path": path}, {}))

        asked = control.request_user_input(session, {"question": "Which branch?"}, {})
        print(asked.status, asked.reason)
        [waiting] = control.list_pending_requests(session)[-1:]
        control.resolve_pending_request(session, waiting["request_id"], {"branch": "main"})
        print(control.get_pending_response(session, waiting["request_id"]))
        try:
            control.resolve_pending_request(session, waiting["request_id"], {"branch": "other"})
        except StateRefused as refused:
            print(refused.reason)

        with fleet.node.entered():
            indexer = Indexer.start()
        control.register_task(session, "index", indexer)
        control.stop_task(session, "index")
        [task] = control.list_tasks(session)
        print(task.task_id, task.status)

        control.submit_feedback(session, {"text": "well done", "stars": 5})
        control.set_config(session, "colour", "blue")
        print(control.get_feedback(session)[0]["text"], control.get_all_config(session))
        print(control.dispatch(session, "setMaxThinkingTokens", {"maxThinkingTokens": 4000}))


if __name__ == "__main__":
    main()
