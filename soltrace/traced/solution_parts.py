"""Which parts of a solve's final state diffrax makes a solution of.

Traced side. They are what a user can read, and differentiate.
"""

from collections.abc import Callable
from typing import Any, Final

import diffrax as dfx

from soltrace.traced.final_time import save_states

_IF_SAVED: Final = ("controller_state", "solver_state", "made_jump")
"""Read if `SaveAt` has a flag of that name."""


def fields_unread(saveat: dfx.SaveAt) -> tuple[str, ...]:
    """Name the fields that the user has not asked for."""
    return tuple(name for name in _IF_SAVED if not getattr(saveat, name))


def parts_read(saveat: dfx.SaveAt) -> Callable[[Any], list[Any]]:
    """Make what picks, from a final state, the parts that are read."""
    names = ["event_mask", "num_steps", "num_accepted_steps", "num_rejected_steps"]
    names += [name for name in _IF_SAVED if getattr(saveat, name)]
    if saveat.dense:
        names += ["dense_ts", "dense_infos", "dense_save_index"]

    def pick(final: Any) -> list[Any]:
        saved = [part for save in save_states(final) for part in (save.ts, save.ys)]
        return [final.result._value, *saved, *[getattr(final, name) for name in names]]

    return pick
