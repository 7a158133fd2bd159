"""Whether the solve that is being traced is the forward half of a gradient by `diffrax.BacksolveAdjoint`.

Traced side. A backsolve is one function with a derivative of its own: jax traces it as it is, for where it is only
called, and once more as the half of a gradient that goes before the way back. diffrax's loop is the same in both, but
from jax 0.11 on the compiler rounds it by what stands around it, so ours has to know which of the two it is.
"""

from collections.abc import Callable
from contextvars import ContextVar
from functools import wraps
from typing import Any, Final

from diffrax import _adjoint  # no public name

_IN_ONE: Final = ContextVar("soltrace_forward_half", default=False)


def in_forward_half() -> bool:
    """Say whether it is."""
    return _IN_ONE.get()


def _noted(forward: Callable[..., Any]) -> Callable[..., Any]:
    @wraps(forward)
    def half(*args: Any, **kwargs: Any) -> Any:
        token = _IN_ONE.set(True)
        try:
            return forward(*args, **kwargs)
        finally:
            _IN_ONE.reset(token)

    return half


_BACKSOLVE: Final[Any] = _adjoint._loop_backsolve
_BACKSOLVE.fn_fwd = _noted(_BACKSOLVE.fn_fwd)
