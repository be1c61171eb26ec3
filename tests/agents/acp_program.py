"""An agent that speaks ACP and does what its prompt says; stdlib only, run as a program.

The first word of a prompt is the order, the rest belongs to it. `--version 2` and the like change
what it says in the handshake.
"""

from __future__ import annotations

import json
import os
import select
import sys
from typing import Any

SESSION = "s-1"


def send(message: dict[str, Any]) -> None:
    sys.stdout.write(json.dumps({"jsonrpc": "2.0", **message}) + "\n")
    sys.stdout.flush()


def update(**fields: Any) -> None:
    send({"method": "session/update", "params": {"sessionId": SESSION, "update": fields}})


def say(text: str) -> None:
    update(sessionUpdate="agent_message_chunk", content={"type": "text", "text": text})


def say_elsewhere() -> None:
    other = {"sessionUpdate": "agent_message_chunk", "content": {"text": "not mine"}}
    send({"method": "session/update", "params": {"sessionId": "s-2", "update": other}})


def stall(chatter: bool) -> None:
    """Say nothing more of this turn; with `chatter`, of another conversation all the time."""
    while True:
        if chatter:
            say_elsewhere()
        select.select([], [], [], 0.02)


def hear() -> dict[str, Any]:
    line = sys.stdin.readline()
    if not line:
        os._exit(0)
    message: dict[str, Any] = json.loads(line)
    return message


def ask(kinds: list[str], **fields: Any) -> dict[str, Any]:
    """Ask for permission, and return what was chosen; a cancel that comes first is left out."""
    options = [{"optionId": f"the {kind}", "kind": kind, "name": kind} for kind in kinds]
    call = {"toolCallId": "c1", "title": "rm -r .", "kind": "execute", "status": "pending"}
    params = {"sessionId": SESSION, "toolCall": call | fields, "options": options}
    send({"id": 77, "method": "session/request_permission", "params": params})
    while (answer := hear()).get("id") != 77:
        pass
    outcome: dict[str, Any] = answer["result"]["outcome"]
    return outcome


def end(word: str, rest: str) -> dict[str, Any]:
    """End a turn in a way of its own."""
    first, _, text = rest.partition(" ")
    match word:
        case "stop":
            say("so far")
            usage = {"inputTokens": 10, "outputTokens": 5, "totalTokens": 15}
            return {"result": {"stopReason": rest, "usage": usage}}
        case "error":
            return {"error": {"code": int(first), "message": text}}
        case "broken_thread":
            meta = {"_meta": {"codex": {"threadStatus": {"type": "systemError"}}}}
            say(text)
            if first == "update":
                update(sessionUpdate="session_info_update", **meta)
                meta = {}
            return {"result": {"stopReason": "end_turn", **meta}}
    return {"result": {"stopReason": "end_turn"}}


def order(word: str, rest: str) -> dict[str, Any]:
    """Do as the prompt says, and return the answer to it, or the error in its place."""
    match word:
        case "stop" | "error" | "broken_thread" | "silent":
            return end(word, rest)
        case "large":
            say("x" * int(rest))
        case "noise":
            sys.stdout.write('loading the model...\n\n{"half of a\n[1]\n{"level": "info"}\n\xff\n')
            update(sessionUpdate="news_of_2027", anything=[1, 2])
            send({"method": "session/else", "params": {}})
            say("after the noise")
        case "other":
            say_elsewhere()
            say("mine")
        case "broken":
            sys.stdout.write('{"jsonrpc": "2.0", "id":\n' * int(rest))
            sys.stdout.flush()
            say("after all that")
        case "permission":
            say(json.dumps(ask(rest.split(","))))
        case "asks":
            say(json.dumps(ask(["allow_once", "reject_once"], **json.loads(rest))))
        case "wait":
            say("waiting")
            while hear().get("method") != "session/cancel":
                pass
            return {"result": {"stopReason": rest or "cancelled"}}
        case "file":
            params = {"sessionId": SESSION, "path": "/etc/passwd"}
            send({"id": 78, "method": "fs/read_text_file", "params": params})
            say(json.dumps(hear()["error"]["code"]))
        case _:
            say(f"{word} {rest}".strip())
    return {"result": {"stopReason": "end_turn"}}


def busy(folder: str) -> dict[str, Any]:
    """Refuse to load a conversation once, as a file has it; then load it."""
    try:
        os.rename(f"{folder}/refusal", f"{folder}/refused")
    except FileNotFoundError:
        return {"result": {}}
    with open(f"{folder}/refused") as file:
        return {"error": {"code": -32603, "message": file.read()}}


def begin(flags: dict[str, str]) -> dict[str, Any]:
    """Begin a conversation, after the login that it wants."""
    if flags.get("--login") != asked.get("login"):
        return {"error": {"code": -32000, "message": "Authentication required"}}
    return {"result": {} if "--nameless" in flags else {"sessionId": SESSION}}


def main() -> None:
    flags = dict(zip(sys.argv[1::2], sys.argv[2::2], strict=True))
    while True:
        message = hear()
        params = message.get("params") or {}
        match message.get("method"):
            case "initialize":
                asked.update(params["clientCapabilities"])
                answer: dict[str, Any] = {
                    "protocolVersion": int(flags.get("--version", "1")),
                    "agentCapabilities": {"loadSession": bool({"--loads", "--busy"} & {*flags})},
                    "authMethods": [{"id": flags["--login"]}] if "--login" in flags else [],
                }
                send({"id": message["id"], "result": answer})
            case "authenticate":
                asked["login"] = params["methodId"]
                send({"id": message["id"], "result": {}})
            case "session/new":
                send({"id": message["id"], **begin(flags)})
            case "session/load" if "--busy" in flags:
                send({"id": message["id"], **busy(flags["--busy"])})
            case "session/load":
                say("told again")
                send({"id": message["id"], "error": {"code": -32002, "message": "not found"}})
            case "session/prompt":
                text = params["prompt"][0]["text"]
                word, _, rest = text.partition(" ")
                if word in ("hush", "chatter"):
                    stall(word == "chatter")
                if word == "betray":
                    word, rest = "error", f"-32603 refused the key {os.environ[rest]}"
                send({"id": message["id"], **order(word, rest)})
            case "session/cancel" | None:
                pass
            case method if "id" in message:
                error = {"code": -32601, "message": f"no {method}"}
                send({"id": message["id"], "error": error})


asked: dict[str, Any] = {}

if __name__ == "__main__":
    main()
