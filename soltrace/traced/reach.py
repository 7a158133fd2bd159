"""Whether a program reaches this process when it runs, which is known when it is lowered.

Traced side. What can't call the host is lowered to the answers that a host gives to which nobody listens: the solve is
the same to the bit, and reports nothing. Not an error: without soltrace the program is lowered.
"""

from typing import Any, Final

from soltrace.wire.warn import warn_once

_CALLING: Final = frozenset({"cpu", "cuda", "rocm", "tpu", "oneapi"})
"""The platforms on which jax has calls to the host."""


def reaches_host(ctx: Any) -> bool:
    """Say whether the program that is lowered here can call the host, and warn once a cause if it can't.

    Args:
        ctx: Of a lowering rule.
    """
    cause = _obstacle(ctx.module_context)
    if cause is not None:
        warn_once(f"a program with a solve in it reports nothing: {cause}.")
    return cause is None


def _obstacle(module: Any) -> str | None:
    platforms = ", ".join(module.platforms)
    if module.lowering_parameters.for_export:
        return "it is exported, and would call this process from any other"
    if len(module.platforms) > 1:
        return f"it is lowered for several platforms at once ({platforms})"
    if platforms not in _CALLING:
        return f"jax has no calls to the host on {platforms}"
    if not _runs_here(module):
        return f"it is lowered for {platforms}, on which this process does not run it"
    manual = getattr(module.axis_context, "manual_axes", None)
    if manual is not None and manual != frozenset(module.axis_context.mesh.axis_names):
        return "jax has no calls to the host under a shard_map that leaves axes of its mesh to the compiler"
    return None


def _runs_here(module: Any) -> bool:
    try:
        return module.get_backend(optional=True) is not None
    except RuntimeError:  # there is no such backend
        return False
