"""Where a session's hooks come in; what hooks are is in `beam.policy.hooks`.

`user_prompt_submit` runs on the thread of who asks, the tools' hooks on the tool's, a permission's
with the handler that it stands before: each where it can hold up nobody else, and ends with what it
belongs to. What is only told (`session_start`, `session_end`, `stop`) runs in a process of its own,
which is killed after 60 s.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from beam.errors import SessionRefused
from beam.model.permissions import allow, deny
from beam.otp import exit, spawn

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from beam.backends.effects import RunTool
    from beam.otp import Node
    from beam.policy.hooks import HookChain, HookEvent
    from beam.sessions.tools import Toolbox

__all__ = ["before_prompt", "hooked", "tell_hooks", "with_hooks"]

# Seconds that a hook has for what it is only told.
TIME = 60.0


def before_prompt(chain: HookChain, session_id: str, prompt: str, params: Mapping[str, Any]) -> str:
    """Fire `user_prompt_submit`, and return the prompt as the hooks left it.

    Raises:
        SessionRefused: `hook_denied` or `hook_ask`, with `text`; nothing was submitted.
    """
    context = {"session_id": session_id, "prompt": prompt, "params": dict(params)}
    fired = chain.fire("user_prompt_submit", context)
    if fired.decision != "allow":
        word = "hook_denied" if fired.decision == "deny" else "hook_ask"
        raise SessionRefused(word, session_id=session_id, text=fired.reason)
    changed = fired.context.get("prompt")
    return changed if isinstance(changed, str) else prompt


def hooked(chain: HookChain, callbacks: Mapping[str, Any], session_id: str) -> dict[str, Any]:
    """Return what the callback broker is told, with the hooks before each handler.

    Args:
        chain: the session's hooks.
        callbacks: what it would be told without them.
        session_id: the session.
    """
    if not chain.has("permission_request"):
        return dict(callbacks)
    names = [name for name in ("permission_handler", "approval_handler") if name in callbacks]
    default = callbacks.get("permission_default") == "allow"
    handlers = {name: callbacks[name] for name in names} or {
        "permission_handler": lambda *_: allow() if default else deny()
    }
    wrapped = {
        name: _Hooked(chain, handler, session_id, is_approval=name == "approval_handler")
        for name, handler in handlers.items()
    }
    return {**callbacks, **wrapped}


@dataclass(frozen=True, slots=True)
class _Hooked:
    """A handler with the hooks before it."""

    chain: HookChain
    handler: Callable[..., Any]
    session_id: str
    is_approval: bool

    def __call__(self, method: str, params: Mapping[str, Any], context: Mapping[str, Any]) -> Any:
        told = {
            "session_id": self.session_id,
            "tool_name": method,
            "method": method,
            "params": params,
            "context": context,
        }
        fired = self.chain.fire("permission_request", told)
        if fired.decision == "deny":
            why = fired.reason or "a hook denies it"
            return "decline" if self.is_approval else deny(why)
        # A hook that says "ask" says what happens next.
        return self.handler(method, params, context)


def with_hooks(
    chain: HookChain, tools: Toolbox, asked: RunTool, named: Mapping[str, str]
) -> tuple[str, bool]:
    """Run a tool with the hooks before and after it, and return what its agent is told.

    Returns:
        The content, and whether it is an error; a tool that a hook denies is not run.
    """
    context = {
        **named,
        "tool_name": asked.tool_name,
        "tool_input": dict(asked.tool_input),
        "tool_use_id": asked.tool_use_id,
    }
    fired = chain.fire("pre_tool_use", context)
    if fired.decision != "allow":
        return f"{asked.tool_name} was not run: {fired.reason}", True
    given = fired.context.get("tool_input")
    content, is_error = tools.call(asked.tool_name, given if isinstance(given, dict) else {})
    chain.fire("post_tool_use", {**fired.context, "content": content, "is_error": is_error})
    return content, is_error


def tell_hooks(node: Node, chain: HookChain, event: HookEvent, context: Mapping[str, Any]) -> None:
    """Have the hooks of an event called that nobody waits for."""
    if not chain.has(event):
        return
    with node.entered():
        process = spawn(chain.fire, event, dict(context))
    node.scheduler.call_at(node.clock.now() + TIME, lambda: exit(process, "kill"))
