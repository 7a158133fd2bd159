"""Where something is in the pytree of a solve's state, in words.

Traced side.
"""

from typing import Any, Final

import jax.tree_util as jtu

OF_A_STRETCH: Final = ("y", "cotangent of y", "cotangent of args", "cotangent of terms")
"""Of what a solve inside a backward pass consists: the state of the forward pass, and what is integrated beside it."""


def state_path(path: Any, roots: tuple[str, ...] = ()) -> str:
    """Write a path.

    Args:
        path: As `jax.tree_util` has it.
        roots: What the parts of the state are called, where it is a tuple that is none of the user's.
    """
    root, rest = (roots[path[0].idx], path[1:]) if roots else ("y", path)
    return f"{root}{jtu.keystr(rest)}"
