"""Who calls? A number for each thread that is in something of its own, and what is current under that number.

Host side, on the threads of whoever calls. Nothing here imports jax or OpenTelemetry: both are met when they are there.
"""

from soltrace.callers.handing_down import HANDING
from soltrace.callers.slots import CALLERS, EXPERIMENT, Entry

__all__ = ["CALLERS", "EXPERIMENT", "HANDING", "Entry"]
