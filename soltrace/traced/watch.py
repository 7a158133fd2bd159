"""What a user watches: values that are not finite, and quantities of their own.

Traced side.
"""

from collections.abc import Callable, Iterable, Mapping
from typing import Any, Final, TypeAlias

import equinox as eqx
import jax
import jax.numpy as jnp
import jax.tree_util as jtu

from soltrace.errors import ConfigurationError
from soltrace.traced._jax import lenient

Quantities: TypeAlias = Mapping[str, Callable[[Any, Any, Any], Any]]
"""Names, and functions of t, y and args that return a scalar."""
Watchable: TypeAlias = str | Quantities | Iterable["str | Quantities"] | None
NONFINITE: Final = "nonfinite"


class Watching(eqx.Module):
    """What `watch=` says."""

    nonfinite: bool = eqx.field(static=True, default=False)
    """The first value that is not finite."""
    quantities: dict[str, Any] = eqx.field(default_factory=dict[str, Any])
    """The user's own, which may be modules with arrays."""

    @property
    def names(self) -> tuple[str, ...]:
        """Names of the quantities."""
        return tuple(self.quantities)

    def values(self, t: Any, y: Any, args: Any) -> list[jax.Array]:
        """Evaluate the quantities: a float scalar each, without derivatives."""
        return [_scalar(name, function(t, y, args)) for name, function in self.quantities.items()]

    @lenient
    def at(self, state: Any, direction: Any, args: Any) -> list[jax.Array]:
        """Evaluate them where a solve is; `direction` is the sign by which its time was multiplied."""
        return self.values(state.tprev * direction, state.y, args)


def _scalar(name: str, value: Any) -> jax.Array:
    value = jax.lax.stop_gradient(jnp.asarray(value))
    if value.shape:
        raise ConfigurationError(f"watch= must return a scalar for each name; {name!r} has the shape {value.shape}.")
    return value.real.astype(jnp.result_type(jnp.float32, value.real.dtype))


def watch_of(watch: "Watchable | Watching") -> Watching:
    """Understand what `watch=` says.

    Args:
        watch: `"nonfinite"`, a mapping of names to functions, several of these, or None.

    Raises:
        soltrace.ConfigurationError: It is something else.
    """
    if isinstance(watch, Watching):
        return watch
    nonfinite, quantities = False, dict[str, Any]()
    for part in _parts(watch):
        if isinstance(part, Mapping):
            quantities |= part
        elif part == NONFINITE:
            nonfinite = True
        else:
            raise _refused(watch)
    if not all(map(callable, quantities.values())):
        raise _refused(watch)
    # A function is no leaf of the state that carries it through an adjoint: some take nothing but arrays.
    held = {name: f if isinstance(f, eqx.Module) else jtu.Partial(f) for name, f in quantities.items()}
    return Watching(nonfinite, held)


def _parts(watch: Any) -> list[Any]:
    if watch is None:
        return []
    return [watch] if isinstance(watch, str | Mapping) or not isinstance(watch, Iterable) else list(watch)


def _refused(watch: Any) -> ConfigurationError:
    return ConfigurationError(
        f"watch= must be {NONFINITE!r}, a mapping of names to functions of t, y and args, or a list of both, "
        f"got {watch!r}."
    )
