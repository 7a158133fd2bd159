"""The time at which a solve stopped.

Traced side. A root finder locates an event inside the last step, once the loop is over, and diffrax doesn't hand its
time on: it shows in what is saved at the end alone. Where the user saves nothing there, a saved time of our own is
added, and taken away again.
"""

from typing import Any

import diffrax as dfx
import equinox as eqx
import jax.numpy as jnp
import jax.tree_util as jtu
from diffrax._integrate import SaveState  # no public name


def is_located(event: dfx.Event | None) -> bool:
    """Say whether a root finder looks for the time of an event inside the last step."""
    return event is not None and event.root_finder is not None


def save_the_end(solve: dict[str, Any]) -> dict[str, Any]:
    """Have something saved where the solve stops, if only that tells where it does."""
    saveat = solve["saveat"]
    subs = jtu.tree_leaves(saveat.subs, is_leaf=_is_sub)
    if not is_located(solve["event"]) or any(map(_saves_the_end, subs)):
        return solve
    state = solve["init_state"]
    ours = SaveState(saveat_ts_index=0, ts=jnp.full(1, jnp.inf, state.tprev.dtype), ys=jnp.zeros(1), save_index=0)
    sub = dfx.SubSaveAt(t1=True, fn=lambda t, y, args: jnp.zeros(()))
    saveat = eqx.tree_at(lambda s: s.subs, saveat, _Both(saveat.subs, sub), is_leaf=lambda x: x is saveat.subs)
    state = eqx.tree_at(lambda s: s.save_state, state, _Both(state.save_state, ours), is_leaf=lambda x: x is None)
    return solve | {"saveat": saveat, "init_state": state}


class _Both(eqx.Module):
    """What the user saves, and what we save."""

    users: Any
    ours: Any


def time_reached(final: Any, solve: dict[str, Any]) -> Any:
    """Find the time at which a solve stopped: a float scalar, in the solver's time, which always runs upwards."""
    if not is_located(solve["event"]):
        return final.tprev
    subs = jtu.tree_leaves(solve["saveat"].subs, is_leaf=_is_sub)
    at_end = [save for sub, save in zip(subs, save_states(final), strict=True) if _saves_the_end(sub)]
    return at_end[0].ts[at_end[0].save_index - 1] if at_end else final.tprev


def without_ours(final: Any) -> Any:
    """Remove what `save_the_end` has added."""
    if not isinstance(final.save_state, _Both):
        return final
    return eqx.tree_at(lambda s: s.save_state, final, final.save_state.users, is_leaf=lambda x: x is None)


def save_states(state: Any) -> list[SaveState]:
    """List the parts of diffrax's state that hold what is saved."""
    is_save = lambda x: isinstance(x, SaveState)
    return [s for s in jtu.tree_leaves(state.save_state, is_leaf=is_save) if is_save(s)]


def _is_sub(x: Any) -> bool:
    return isinstance(x, dfx.SubSaveAt)


def _saves_the_end(sub: dfx.SubSaveAt) -> bool:
    return sub.t1 or sub.steps == 1
