"""Three agents, and the router that chooses among them: by turns, by stickiness, around a failure.

Run: python examples/routing.py
"""

import structlog

import beam
from beam.errors import RoutingRefused


def quick(prompt: str) -> str:
    """Answer at once."""
    return f"quick: {prompt}"


def thorough(prompt: str) -> str:
    """Answer at once, too."""
    return f"thorough: {prompt}"


def broken(prompt: str) -> str:
    """Fail, as an agent does whose provider is down."""
    raise ConnectionError("the provider is down")


def main() -> None:
    """Choose, stick to a choice, keep away from what is unwell; then talk, thread and look back."""
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger("critical"))
    agents = {"broken": broken, "quick": quick, "thorough": thorough}
    backends = {name: beam.function(agent) for name, agent in agents.items()}
    with beam.Fleet(backends=backends) as fleet:
        router = fleet.router
        turns = {"policy": "round_robin", "excluded_backends": ["broken"]}
        print([router.select_backend(turns).backend for _ in range(3)])
        bound = {"policy": "sticky", "affinity_key": "ada", "preferred_backends": ["thorough"]}
        print(router.select_backend(bound).backend, router.select_backend(bound).backend)
        unwell = {"preferred_backends": ["broken", "quick"], "health": {"broken": "down"}}
        print(router.select_backend(unwell).backend)
        try:
            router.select_backend(
                {"preferred_backends": ["broken"], "excluded_backends": [*agents]}
            )
        except RoutingRefused as refused:
            print(refused.reason)

        session = router.start_session({"routing": {"preferred_backends": ["thorough"]}})
        print(router.query(session, "Review the change")[-1].content)
        thread = router.thread_start(session, {"name": "documentation"})
        router.query(session, "Now the docs")
        read = router.thread_read(session, thread.thread_id, opts={"include_messages": True})
        print(read["thread"].name, [one.content for one in read["messages"]])
        print([one.content for one in router.get_session_messages(session.id)])
        print(router.share_session(session)["status"], router.health(session))


if __name__ == "__main__":
    main()
