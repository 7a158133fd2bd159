"""soltrace: the progress of differentiable solvers as telemetry.

Names are imported when they are asked for: `import soltrace` alone imports neither jax nor a telemetry library.
"""

import importlib
from typing import TYPE_CHECKING, Any

from soltrace.callers.early import meet

if TYPE_CHECKING:
    from soltrace.at_hand.live import live
    from soltrace.errors import (
        AttributeValueError,
        ConfigurationError,
        ExperimentError,
        SoltraceError,
        SoltraceWarning,
    )
    from soltrace.experiments import add_context, experiment
    from soltrace.setup.children import child_environment
    from soltrace.setup.configure import configure, flush, shutdown
    from soltrace.traced import ProgressMeter, TracedAdjoint
    from soltrace.traced import diffeqsolve as diffeqsolve  # pyright: ignore[reportUnknownVariableType] - diffrax's

__version__ = "0.1.0"

_HOMES = {  # not `soltrace/experiment.py`: a module that is imported would take the function's place
    "AttributeValueError": "errors",
    "ConfigurationError": "errors",
    "ExperimentError": "errors",
    "ProgressMeter": "traced",
    "SoltraceError": "errors",
    "SoltraceWarning": "errors",
    "TracedAdjoint": "traced",
    "add_context": "experiments",
    "child_environment": "setup.children",
    "configure": "setup.configure",
    "diffeqsolve": "traced",
    "experiment": "experiments",
    "flush": "setup.configure",
    "live": "at_hand.live",
    "shutdown": "setup.configure",
}
_THAT_RECORD = ("at_hand.live", "experiments", "traced")

__all__ = [
    "AttributeValueError",
    "ConfigurationError",
    "ExperimentError",
    "ProgressMeter",
    "SoltraceError",
    "SoltraceWarning",
    "TracedAdjoint",
    "__version__",
    "add_context",
    "child_environment",
    "configure",
    "diffeqsolve",
    "experiment",
    "flush",
    "live",
    "shutdown",
]


meet()


def __getattr__(name: str) -> Any:
    """Import a public name when it is asked for."""
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    if _HOMES[name] in _THAT_RECORD:
        importlib.import_module(f"{__name__}.setup.configure")  # it says how a run is opened
    value = getattr(importlib.import_module(f"{__name__}.{_HOMES[name]}"), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    """List the public names."""
    return __all__
