"""A function in an OS process of its own: one more command agent, with our worker as its program.

The program is `function_worker`: a fresh interpreter, never a fork. It gets the callable in the
greeting, pickled, and from then on speaks the command protocol as any other agent; so it is
interrupted, killed and reaped as any other (`command_connection`). As with `multiprocessing`'s
spawn, the callable is pickled by its name, the worker imports the module, and if that is the script
that was run, imports it as `__mp_main__`.
"""

from __future__ import annotations

import base64
import os
import pickle
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

from beam.backends.command import CommandBackend, command
from beam.backends.function_form import FunctionForm
from beam.backends.line_limits import MAX_LINE
from beam.errors import InvalidInput

__all__ = ["FUNCTION", "FunctionProcessBackend"]

FUNCTION = "function"
"""The field of the greeting's `host` that has the callable."""

_ROOT = str(Path(__file__).parents[2])
# Where we are found goes last: the user's own paths come with the callable.
_BOOT = "import sys; sys.path.append(sys.argv[1]); from beam.backends.function_worker import main"

_MAIN_MODULE = ("init_main_from_name", "init_main_from_path")
_SENT = ("sys_path", "sys_argv", *_MAIN_MODULE)


@dataclass(frozen=True)
class FunctionProcessBackend(CommandBackend):
    """A function that runs in an OS process; `function(..., process=True)` makes it.

    Attributes:
        form: the function.
    """

    kind: ClassVar[str] = "function"

    form: FunctionForm | None = None

    @classmethod
    def of(cls, form: FunctionForm, **options: Any) -> FunctionProcessBackend:
        """Return a backend of this function; the options are some of those of `command`."""
        # Only for those that use it: it brings sockets, subprocesses and reductions.
        from multiprocessing import spawn  # noqa: PLC0415

        python = os.fsdecode(spawn.get_executable() or sys.executable)
        made = command([python, "-P", "-c", f"{_BOOT}; main()", _ROOT], **options)
        return cls(made.spec, made.interrupt_grace, made.shutdown, form)

    def check(self) -> None:
        """Refuse a callable that cannot be sent to another process.

        Raises:
            InvalidInput: naming it.
        """
        super().check()
        self.host()

    def host(self) -> Mapping[str, str]:
        """Return what the greeting says: with the callable, and where it is found.

        Raises:
            InvalidInput: the callable cannot be sent to another process.
        """
        assert self.form is not None
        packed = base64.b64encode(_packed(self.form)).decode()
        if len(packed) > MAX_LINE // 2:
            expected = f"a function that is pickled to less than {MAX_LINE // 2} bytes"
            raise InvalidInput("callable", self.form.name, expected)
        return {**super().host(), FUNCTION: packed}


def _packed(form: FunctionForm) -> bytes:
    # The kind goes along: over there an instance may not look like what it is.
    try:
        called = pickle.dumps(form)
    except Exception as error:
        raise InvalidInput("callable", form.name, "a function that can be pickled") from error
    return pickle.dumps((_surroundings(form, of_main=b"__main__" in called), called))


def _surroundings(form: FunctionForm, *, of_main: bool) -> dict[str, Any]:
    """Return what the worker needs to find the callable's module, as `multiprocessing` has it."""
    from multiprocessing import spawn  # noqa: PLC0415 - as above

    try:
        data = spawn.get_preparation_data(form.name)
    except RuntimeError as error:
        guard = 'a program whose start is guarded by `if __name__ == "__main__":`'
        raise InvalidInput("callable", form.name, guard) from error
    if of_main and not any(name in data for name in _MAIN_MODULE):
        raise InvalidInput("callable", form.name, "a function of a module that is in a file")
    wanted = _SENT if of_main else tuple(name for name in _SENT if name not in _MAIN_MODULE)
    return {name: data[name] for name in wanted if name in data}
