"""A command agent that does what the prompt says. Its arguments are its capabilities.

    echo TEXT            stream the text, answer it
    stream N             stream N numbers, answer N
    query                answer the query itself, as JSON
    tool NAME JSON       have the host run the tool, answer what it said
    ask NAME JSON        ask for permission, answer what was said
    wait                 until the interrupt; then end the query
    deaf                 do not read any more, for ever
    type LINE            type the line as it is, then answer
    long KIND N          type a line of that type and of more than N bytes, then answer
    fail REASON          end the query with an error
    broken REASON        say that the whole program cannot work, and end
    exit STATUS TEXT     write the text to stderr, and end
    family               start a child that ignores TERM, answer both pids
    close                close stdin, answer
    cwd                  answer the working directory and the environment

At the end of stdin it writes `bye` to the file that the environment names as `BYE`, if it does.
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


def family():
    said, tell = os.pipe()
    child = os.fork()
    if child == 0:
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        os.write(tell, b"!")
        while True:
            signal.pause()
    os.read(said, 1)
    return json.dumps([os.getpid(), child])


def do(query):
    """Return the answer, None if the query was ended here."""
    id = query["id"]
    verb, _, rest = query["prompt"].partition(" ")

    def ask(kind, reply, **fields):
        send(kind, query_id=id, **fields)
        message = receive(reply, "interrupt")
        if message["type"] == "interrupt":
            raise InterruptedError
        return message

    match verb:
        case "echo":
            send("text", query_id=id, content=rest)
            return rest
        case "stream":
            for number in range(int(rest)):
                send("text", query_id=id, content=str(number))
            return rest
        case "query":
            return json.dumps(query)
        case "tool":
            name, _, given = rest.partition(" ")
            asked = {"tool_use_id": "t1", "tool_name": name, "tool_input": json.loads(given)}
            return json.dumps(ask("tool_use", "tool_result", host=True, **asked))
        case "ask":
            name, _, given = rest.partition(" ")
            asked = {"id": "p1", "tool_name": name, "tool_input": json.loads(given)}
            return json.dumps(ask("permission_request", "permission_response", **asked))
        case "wait":
            send("text", query_id=id, content="waiting")
            receive("interrupt")
            raise InterruptedError
        case "deaf":
            send("text", query_id=id, content="deaf")
            while True:
                signal.pause()
        case "type":
            print(rest, flush=True)
            return "typed"
        case "long":
            kind, size = rest.split()
            send(kind, query_id=id, content="x" * int(size))
            return "typed"
        case "fail":
            send("error", query_id=id, reason=rest, content="as told", retryable=True)
        case "broken":
            send("error", reason=rest, content="as told")
            sys.exit(0)
        case "exit":
            status, _, text = rest.partition(" ")
            print(text, file=sys.stderr, flush=True)
            os._exit(int(status))
        case "family":
            return family()
        case "close":
            os.close(0)
            return "closed"
        case "cwd":
            return json.dumps({"cwd": os.getcwd(), "env": dict(os.environ)})
    return None


receive("hello")
send("ready", protocol=1, name="obedient", version="1", capabilities=sys.argv[1:])
while query := receive("query"):
    try:
        answer = do(query)
    except InterruptedError:
        send("error", query_id=query["id"], reason="interrupted")
    else:
        if answer is not None:
            send("result", query_id=query["id"], content=answer)
        if answer == "closed":
            while True:
                signal.pause()
