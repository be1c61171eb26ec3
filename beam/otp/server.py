"""`Server`: OTP's gen_server, a process that answers calls.

    >>> from beam.errors import Refused
    >>> class Account(Server):
    ...     def init(self, owner, balance=0):
    ...         self.owner, self.balance = owner, balance
    ...     def withdraw(self, amount):
    ...         if amount > self.balance:
    ...             raise Refused("insufficient_funds", balance=self.balance)
    ...         self.balance -= amount
    ...         return self.balance
    ...     def handle_cast(self, message):
    ...         self.balance += message
    >>> account = Account.start("ada", 100)
    >>> account.proxy().withdraw(30).get()
    70
    >>> account.cast(5)
    >>> account.proxy().balance.get()
    75
    >>> try:
    ...     account.proxy().withdraw(1000).get()
    ... except Refused as refused:
    ...     refused.reason, refused.balance
    ('insufficient_funds', 75)
    >>> account.stop()
    True

A public method is a call: `ref.proxy().withdraw(30)` is a future of its answer, `.defer(30)` a
cast. Messages that are no method calls come to `handle_call`, `handle_cast` and `handle_info`.
A `Refused` that this process raises in a call is the answer, and the process lives; any other
exception kills it, from a call as from a cast (G7).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from pykka.messages import ProxyCall, ProxyGetAttr, ProxySetAttr

from beam.otp.process import Process
from beam.otp.reports import report, shown

if TYPE_CHECKING:
    from beam.otp.mail import Call

__all__ = ["Server"]

_PROXY_MESSAGES = frozenset({ProxyCall, ProxyGetAttr, ProxySetAttr})


class Server(Process, framework=True):
    """A process that serves calls, casts and messages, one at a time (G2)."""

    @property
    def caller(self) -> Call | None:
        """The call that is being served, for a public method that answers later.

        The method keeps it, returns `noreply`, and answers with `caller.reply(value)` or
        `caller.refuse(error)`, from anywhere. `None` in a cast and outside of calls.

            >>> from beam.otp import noreply
            >>> class Oven(Server):
            ...     def bake(self):
            ...         self.send_after(0.01, self.caller)
            ...         return noreply
            ...     def handle_info(self, caller):
            ...         caller.reply("bread")
            >>> oven = Oven.start()
            >>> oven.proxy().bake().get(timeout=5.0), oven.stop()
            ('bread', True)
        """
        return self._control.serving

    def handle_call(self, message: Any, caller: Call) -> Any:
        """Answer `ref.ask(message)`.

        Args:
            message: what was asked.
            caller: the call: `caller.process` is who asked (`None`: no process);
                `caller.reply(value)` answers later, from anywhere, if this returns `noreply`.

        Returns:
            The answer, or `noreply`.

        A server that does not define it crashes when it is asked, as in OTP.
        """
        raise TypeError(f"{type(self).__name__} has no handle_call for {shown(message)}")

    def handle_cast(self, message: Any) -> None:
        """Do what `ref.cast(message)` wants; a server without it crashes, as in OTP."""
        raise TypeError(f"{type(self).__name__} has no handle_cast for {shown(message)}")

    def handle_info(self, message: Any) -> None:
        """Take a plain message: `ref.tell`'s, a timer's, a `Down`, an `Exit`.

        A server that does not define it reports the message and drops it.
        """
        report("warning", "unexpected_message", process=str(self), message=shown(message))

    def handle_continue(self, message: Any) -> None:
        """Do what `init` or a handler left to do before the next message (`continue_with`)."""
        raise TypeError(f"{type(self).__name__} has no handle_continue for {shown(message)}")

    def _receive_call(self, call: Call) -> Any:
        message = call.message
        if type(message) in _PROXY_MESSAGES:
            return self._receive_proxy(message)
        return self.handle_call(message, call)

    def _receive_cast(self, message: Any) -> None:
        if type(message) is ProxyCall:
            self._receive_proxy(message)
        else:
            self.handle_cast(message)

    def _receive_info(self, message: Any) -> None:
        self.handle_info(message)

    def _receive_continue(self, message: Any) -> None:
        self.handle_continue(message)
