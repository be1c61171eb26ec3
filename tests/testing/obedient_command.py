"""A command agent that obeys a conformance suite, as its author reads `docs/command-agents.md`.

It needs nothing of the fleet: a program of its own, run as `python obedient_command.py`.
"""

import json
import queue
import re
import sys
import threading
from pathlib import Path

DIRECTIVE = re.compile(r"\[\[(say|history|slow|silent|fail|tool|write)\s*(.*?)\]\]", re.DOTALL)
CHARGES = {"input_tokens": 13, "cache_write_tokens": 101, "output_tokens": 5}

inbox: queue.Queue = queue.Queue()


def listen() -> None:
    for line in sys.stdin.buffer:
        inbox.put(json.loads(line))
    inbox.put({"type": "end"})


def send(kind: str, **fields: object) -> None:
    print(json.dumps({"type": kind, **fields}), flush=True)


def receive(*wanted: str, within: float | None = None) -> dict | None:
    """Return the next message of a type; None when the time is over."""
    while True:
        try:
            message = inbox.get(timeout=within)
        except queue.Empty:
            return None
        if message["type"] == "end":
            sys.exit(0)
        if message["type"] == "interrupt":
            raise InterruptedError
        if message["type"] in wanted:
            return message


def answer(query: dict) -> tuple[str, int]:
    """Return the answer, and how often a model was asked for it."""
    said = [turn["content"] for turn in query["history"] if turn["role"] == "user"]
    words = DIRECTIVE.findall("\n".join([*said, query["prompt"]]))
    verb, rest = words[-1]
    here = {"query_id": query["id"]}
    text = "done"
    if verb in ("slow", "silent"):
        text = ""
        for number in range(int(rest)):
            receive(within=0.5)
            text += f"{number} "
            send("text", **here, content=f"{number} ")
    if verb == "silent":
        receive()
    if verb == "say":
        return rest, 1
    if verb == "history":
        return "|".join(given for word, given in words if word == "say"), 1
    if verb == "fail":
        raise ValueError(f"the model answered {rest}")
    if verb == "tool":
        name, _, given = rest.partition(" ")
        call = {"tool_use_id": "t1", "tool_name": name, "tool_input": json.loads(given)}
        send("tool_use", **here, **call, host=True)
        return receive("tool_result")["content"], 2
    if verb == "write":
        wish = {"tool_name": "write", "tool_input": {"path": rest}}
        send("permission_request", **here, id="p1", **wish)
        if receive("permission_response")["decision"] == "allow":
            Path(rest).write_text("made")
    return text, 1


def work(query: dict) -> None:
    here = {"query_id": query["id"]}
    try:
        text, times = answer(query)
    except InterruptedError:
        send("error", **here, reason="interrupted")
    except ValueError as error:
        send("error", **here, reason="model_error", content=str(error))
    else:
        usage = {name: times * count for name, count in CHARGES.items()}
        send("result", **here, content=text, usage=usage)


def main() -> None:
    threading.Thread(target=listen, daemon=True).start()
    receive("hello")
    send("ready", protocol=1, name="obedient", capabilities=["interrupt"])
    while True:
        try:
            query = receive("query")
        except InterruptedError:  # For a query that is over: it means nothing.
            continue
        work(query)


if __name__ == "__main__":
    main()
