"""The number of a thread's slot as a part of the key by which jax finds a compiled program.

`jax.make_user_context` makes such a part. It is made when jax is imported, and not when the first solve is: programs
that were compiled before it is there are compiled again.
"""

import sys
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from types import ModuleType
from typing import Any, Final


class JitKey:
    """There is one in a process. Until jax is there, every number is 0."""

    def __init__(self) -> None:
        """Begin without jax."""
        self._user_context: Any = None

    def make(self, jax: ModuleType) -> None:
        """Make the key's part, once."""
        make = getattr(jax, "make_user_context", None)  # not there yet, where jax itself is being imported
        if self._user_context is None and make is not None:
            self._user_context = make(0)

    @property
    def number(self) -> int:
        """The number with which the calling thread's programs are found, and traced."""
        return 0 if self._user_context is None else self._user_context.value

    def setting(self, number: int) -> AbstractContextManager[None]:
        """Have the calling thread's programs be found with a number, while the block runs."""
        if self._user_context is None or self._user_context.value == number:
            return nullcontext()
        return self._user_context(number)

    def hold(self, number: int) -> AbstractContextManager[None] | None:
        """Have the calling thread's programs be found with a number, until it is let go."""
        if number == 0 or self._user_context is None:
            return None
        setting = self._user_context(number)
        setting.__enter__()
        return setting

    def let_go(self, setting: AbstractContextManager[None] | None) -> None:
        """Have them be found with 0 again."""
        if setting is not None:
            setting.__exit__(None, None, None)

    def tracing(self) -> bool:
        """Say whether the calling thread is tracing a program right now."""
        core = sys.modules.get("jax.extend.core")
        under_a_jit: Callable[[], bool] | None = getattr(core, "unsafe_am_i_under_a_jit_DO_NOT_USE", None)
        return under_a_jit is not None and under_a_jit()


KEY: Final = JitKey()
