"""The host room: raw signals of compiled programs become records, and records go to sinks.

It imports numpy, and neither jax nor a logging or tracing library. What stands here is the port for the traced room.
"""

from soltrace.host.handlers import raised_by_a_handler
from soltrace.host.process import callers_place, compiled, detail, enabled, failed, receive, register_barrier
from soltrace.host.registered import RegisteredSolve, registered_solve
from soltrace.host.signals import NEVER, NEVER_ELAPSED, Signal, SolveInfo, default_answer
from soltrace.host.step_codes import Place, StepCode
from soltrace.host.step_detail import Detail

__all__ = [
    "NEVER",
    "NEVER_ELAPSED",
    "Detail",
    "Place",
    "RegisteredSolve",
    "Signal",
    "SolveInfo",
    "StepCode",
    "callers_place",
    "compiled",
    "default_answer",
    "detail",
    "enabled",
    "failed",
    "raised_by_a_handler",
    "receive",
    "register_barrier",
    "registered_solve",
]
