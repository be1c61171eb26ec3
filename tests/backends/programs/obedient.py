"""A command agent that does what the prompt says: the name of a method, and its argument.

The program's arguments are its capabilities. At the end of stdin it writes `bye` to the file that
the environment names as `BYE`, if it does.
"""

import json
import os
import signal
import sys


def send(kind, **fields):
    print(json.dumps({"type": kind, **fields}), flush=True)


def receive(*wanted):
    for line in iter(sys.stdin.buffer.readline, b""):
        message = json.loads(line)
        if message["type"] in wanted:
            return message
    if "BYE" in os.environ:
        with open(os.environ["BYE"], "w") as file:
            file.write("bye")
    sys.exit(0)


class Query:
    """What it can be told; a method returns the answer, None if the query was ended in it."""

    def __init__(self, said):
        self.said = said
        self.id = said["id"]

    def ask(self, kind, reply, **fields):
        self.send(kind, **fields)
        message = receive(reply, "interrupt")
        if message["type"] == "interrupt":
            raise InterruptedError
        return message

    def send(self, kind, **fields):
        send(kind, query_id=self.id, **fields)

    def echo(self, text):
        self.send("text", content=text)
        return text

    def stream(self, count):
        for number in range(int(count)):
            self.send("text", content=str(number))
        return count

    def query(self, _):
        return json.dumps(self.said)

    def tool(self, call):
        name, _, given = call.partition(" ")
        asked = {"tool_use_id": "t1", "tool_name": name, "tool_input": json.loads(given)}
        return json.dumps(self.ask("tool_use", "tool_result", host=True, **asked))

    def hoard(self, count):
        """Have that many tools run, and read no result."""
        for number in range(int(count)):
            self.send("tool_use", tool_use_id=f"t{number}", tool_name="read", host=True)
        while True:
            signal.pause()

    def leave(self, call):
        name, _, given = call.partition(" ")
        asked = {"id": "p1", "tool_name": name, "tool_input": json.loads(given)}
        return json.dumps(self.ask("permission_request", "permission_response", **asked))

    def wait(self, _):
        """Wait for the interrupt."""
        self.send("text", content="waiting")
        receive("interrupt")
        raise InterruptedError

    def deaf(self, _):
        """Read nothing more."""
        self.send("text", content="deaf")
        while True:
            signal.pause()

    def type(self, line):
        """Write the line as it is."""
        print(line, flush=True)
        return "typed"

    def long(self, line):
        """Write a line of that type, and of more than that many bytes."""
        kind, size = line.split()
        self.send(kind, content="x" * int(size))
        return "typed"

    def fail(self, reason):
        self.send("error", reason=reason, content="as told", retryable=True)

    def betray(self, name):
        self.send("error", reason="refused", content=f"not {os.environ[name]}", retryable=False)

    def broken(self, reason):
        """Say that the whole program cannot work."""
        send("error", reason=reason, content="as told")
        sys.exit(0)

    def exit(self, how):
        status, _, words = how.partition(" ")
        print(words, file=sys.stderr, flush=True)
        os._exit(int(status))

    def family(self, _):
        """Start a child that ignores TERM; answer both pids."""
        said, tell = os.pipe()
        child = os.fork()
        if child == 0:
            signal.signal(signal.SIGTERM, signal.SIG_IGN)
            os.write(tell, b"!")
            while True:
                signal.pause()
        os.read(said, 1)
        return json.dumps([os.getpid(), child])

    def close(self, _):
        """Close stdin, and live on."""
        os.close(0)
        self.send("result", content="closed")
        while True:
            signal.pause()

    def mute(self, _):
        """Close stdout, and live on."""
        os.close(1)
        while True:
            signal.pause()

    def place(self, _):
        return json.dumps({"cwd": os.getcwd(), "env": dict(os.environ)})


receive("hello")
send("ready", protocol=1, name="obedient", version="1", capabilities=sys.argv[1:])
while said := receive("query"):
    verb, _, argument = said["prompt"].partition(" ")
    query = Query(said)
    try:
        answer = getattr(query, verb)(argument)
    except InterruptedError:
        query.send("error", reason="interrupted")
    else:
        if answer is not None:
            query.send("result", content=answer)
