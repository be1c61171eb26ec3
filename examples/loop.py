"""A model that calls Python functions: once, and as a session of a fleet.

Run: python examples/loop.py
"""

import json

import structlog

import beam
from beam.providers.local import local
from beam.sessions.loop_backend import provider_backend


def model(request: dict) -> dict:
    """Stand for a real model, such as chat("llama3.2", base_url="http://localhost:11434/v1")."""
    last = request["messages"][-1]
    if last["role"] == "tool":
        message = {"role": "assistant", "content": f"The sum is {last['content']}."}
    else:
        numbers = [int(word) for word in last["content"].split() if word.isdigit()]
        function = {"name": "add", "arguments": json.dumps({"numbers": numbers})}
        call = {"id": f"call_{len(request['messages'])}", "type": "function", "function": function}
        message = {"role": "assistant", "content": None, "tool_calls": [call]}
    return {"choices": [{"message": message, "finish_reason": "stop"}]}


def add(numbers: list[int]) -> int:
    """Add numbers."""
    return sum(numbers)


def main() -> None:
    """Ask once; then twice in a session."""
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger("critical"))
    result = beam.run(local(model), tools=[add], prompt="Add 1 and 2 and 3 .")
    print(result.text, f"({result.turns} turns)")
    with beam.Fleet(backends={"model": provider_backend(local(model))}) as fleet:
        session = fleet.start_session(backend="model", tools=[add])
        for prompt in ("Add 2 and 40 .", "Add 20 and 30 ."):
            for message in session.stream(prompt):
                if message.type in ("tool_use", "result"):
                    print(message.type, message.content or message.tool_name)


if __name__ == "__main__":
    main()
