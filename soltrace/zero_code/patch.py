"""Make `diffrax.diffeqsolve` itself report, by whatever name a program calls it, and undo that.

Traced side. `diffrax.diffeqsolve` is one object, a jit of equinox's. Each call of it first binds its arguments to the
signature that the object holds, and only then looks for a compiled program, by what was bound. So that signature is
the place to stand: one that puts a reporting adjoint among what it binds makes every call a call with that adjoint.
"""

import copy
import inspect
import pkgutil
from collections.abc import Callable
from functools import wraps
from typing import Any, Final, Self, cast

import diffrax as dfx

from soltrace import host
from soltrace.traced.adjoint import TracedAdjoint, is_part_of_a_pass
from soltrace.traced.solve import DIFFRAX_SOLVE, reporting

# Not another function in the place of `diffrax.diffeqsolve`: whoever said `from diffrax import diffeqsolve` before
# would keep the old one, and a search of all modules finds no closures. Not inside diffrax's function either, nor in
# its adjoints: that runs under a jit whose cache knows nothing of a patch, so it would go on tracing, or not tracing,
# what was compiled before. An adjoint that is an argument is a part of the cache's key.
_PLACE: Final = "_signature"
_JIT: Any = getattr(DIFFRAX_SOLVE, "__class__")  # noqa: B009 - as Any: its own types are partly unknown
_LOWER: Final = cast("Callable[..., Any]", vars(_JIT)["lower"])


class _Reporting(inspect.Signature):
    """Binds as the signature that it was made from does, and has the adjoint report."""

    original: inspect.Signature
    active: bool = False  # as of one that `replace` makes

    @classmethod
    def of(cls, original: inspect.Signature) -> Self:
        """Make an active one. It equals the original, also where a jit compares them."""
        self = cls(list(original.parameters.values()), return_annotation=original.return_annotation)
        self.original, self.active = original, True
        return self

    @property
    def reports(self) -> bool:
        """Whether a call that is made now reports."""
        return self.active and host.enabled()

    def bind(self, /, *args: Any, **kwargs: Any) -> inspect.BoundArguments:
        """Bind the arguments of a call."""
        bound = super().bind(*args, **kwargs)
        if self.reports:
            _let_report(bound.arguments)
        return bound

    def __reduce__(self) -> tuple[Callable[[str], Any], tuple[str]]:
        # A copy of the solve has what `diffrax.diffeqsolve` has where the copy is made. A pickle of it is read by
        # workers that have never heard of soltrace: nothing of ours may be named in it.
        return pkgutil.resolve_name, (f"diffrax:diffeqsolve.{_PLACE}",)


class _AlwaysReporting(_Reporting):
    """Binds for a program that was lowered with a reporting adjoint, and takes no other arguments for good."""

    @property
    def reports(self) -> bool:
        """Whatever is patched or enabled when it is called."""
        return True


@wraps(_LOWER)
def _lower(solve: Any, /, *args: Any, **kwargs: Any) -> Any:
    """Lower a solve so that it can be called for as long as it is kept: what it binds stays what it binds now."""
    signature = getattr(solve, _PLACE)
    if isinstance(signature, _Reporting) and signature.active:
        solve = copy.copy(solve)
        settled = _AlwaysReporting.of(signature.original) if signature.reports else signature.original
        object.__setattr__(solve, _PLACE, settled)
    return _LOWER(solve, *args, **kwargs)


def _let_report(arguments: dict[str, Any]) -> None:
    adjoint = arguments.get("adjoint", dfx.RecursiveCheckpointAdjoint())
    if not isinstance(adjoint, dfx.AbstractAdjoint):
        return  # diffrax says what is wrong
    if isinstance(adjoint, TracedAdjoint) or is_part_of_a_pass(adjoint):
        return
    arguments.update(reporting(arguments))


def patch() -> None:
    """Make every solve from now on report, as `soltrace.diffeqsolve` does. Calling it twice is calling it once.

    A solve that reports already, by `soltrace.diffeqsolve` or `soltrace.TracedAdjoint`, stays as it is. A function of
    the user's that was compiled before keeps the solve that it was compiled with, until `jax.clear_caches()`; and so it
    does after `unpatch`.
    """
    signature = getattr(DIFFRAX_SOLVE, _PLACE)
    if not isinstance(signature, _Reporting):
        # The object is frozen, and is meant to be.
        object.__setattr__(DIFFRAX_SOLVE, _PLACE, _Reporting.of(signature))
        _JIT.lower = _lower  # of all jits of equinox's, so that copies of the solve have it


def unpatch() -> None:
    """Restore `diffrax.diffeqsolve` as it was."""
    signature = getattr(DIFFRAX_SOLVE, _PLACE)
    if isinstance(signature, _Reporting):
        signature.active = False  # equinox's modules are copied freely: a copy made meanwhile holds it too
        object.__setattr__(DIFFRAX_SOLVE, _PLACE, signature.original)
        _JIT.lower = _LOWER
