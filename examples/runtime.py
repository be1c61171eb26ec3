"""What the queries of a session start from: providers, their credentials, agents, models.

Run: python examples/runtime.py
"""

import tempfile
from pathlib import Path

import structlog

import beam


def agent(prompt: str) -> str:
    """Answer at once."""
    return f"done: {prompt}"


def show(fleet: beam.Fleet, session: str) -> None:
    """Print what is known of a session's runtime; secrets are not."""
    runtime = fleet.runtime
    print(runtime.current_provider(session), runtime.current_agent(session))
    print(runtime.get_provider_config(session))
    print([one["id"] for one in runtime.list_providers(session) if one["current"]])


def main() -> None:
    """Choose a provider and an agent, change the model; then start again from the log's file."""
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger("critical"))
    with tempfile.TemporaryDirectory() as folder:
        store = Path(folder) / "fleet.db"
        with beam.Fleet(store, backends={"agent": beam.function(agent)}) as fleet:
            session = fleet.start_session(session_id="ada")
            fleet.runtime.set_provider_config(session, {"id": "openai", "api_key": "sk-secret"})
            fleet.runtime.set_agent(session, "reviewer")
            fleet.runtime.set_model(session, "large")
            show(fleet, "ada")
            status = fleet.runtime.provider_status(session, provider_id="google")
            print(status["provider_id"], status["configured"], status["auth_methods"])
            print(fleet.runtime.get_status(session)["health"], session.info().model)
        kept = [one.read_bytes() for one in Path(folder).iterdir() if one.is_file()]
        print(any(b"sk-secret" in one for one in kept))
        with beam.Fleet(store, backends={"agent": beam.function(agent)}) as fleet:
            show(fleet, "ada")


if __name__ == "__main__":
    main()
