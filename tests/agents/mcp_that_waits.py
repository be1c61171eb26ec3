"""An MCP server with one tool, `wait`, which never answers; run as a program.

    python mcp_that_waits.py PIPE

A call of `wait` tells its pid through the named pipe. It is written without the SDK, because ten of
it are started at a time.
"""

import json
import os
import sys
from pathlib import Path
from typing import Any

TOOL = {
    "name": "wait",
    "description": "Wait for ever.",
    "inputSchema": {"type": "object", "properties": {}},
}


def answer(method: str, params: dict[str, Any]) -> dict[str, Any] | None:
    """Return the result of a request; None if there is none."""
    match method:
        case "initialize":
            return {
                "protocolVersion": params["protocolVersion"],
                "capabilities": {"tools": {}},
                "serverInfo": {"name": "waits", "version": "1"},
            }
        case "tools/list":
            return {"tools": [TOOL]}
        case "tools/call":
            Path(sys.argv[1]).write_text(str(os.getpid()), "utf-8")
            return None
    return {}


def main() -> None:
    """Answer until the end of the input."""
    for line in sys.stdin:
        asked = json.loads(line)
        if "id" in asked and "method" in asked:
            result = answer(asked["method"], asked.get("params", {}))
            if result is not None:
                told = {"jsonrpc": "2.0", "id": asked["id"], "result": result}
                print(json.dumps(told), flush=True)


if __name__ == "__main__":
    main()
