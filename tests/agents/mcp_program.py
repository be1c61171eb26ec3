"""An MCP server with one tool, `double`; run as a program."""

from mcp.server.mcpserver import MCPServer

server = MCPServer("calc")


@server.tool()
def double(n: int) -> str:
    """Double a number."""
    return f"twice that is {2 * n}"


if __name__ == "__main__":
    server.run()
