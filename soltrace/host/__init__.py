"""The host room: raw signals of compiled programs become records, and records go to sinks.

It imports numpy, and neither jax nor a logging or tracing library. What stands here is the port for the traced room.
"""

from soltrace.host.handlers import raised_by_a_handler
from soltrace.host.process import (
    compiled,
    current_context,
    enabled,
    failed,
    receive,
    register_barrier,
    register_context,
)
from soltrace.host.registered import RegisteredAttributes, registered_attributes
from soltrace.host.signals import NEVER, NEVER_ELAPSED, Signal, SolveInfo, default_answer

__all__ = [
    "NEVER",
    "NEVER_ELAPSED",
    "RegisteredAttributes",
    "Signal",
    "SolveInfo",
    "compiled",
    "current_context",
    "default_answer",
    "enabled",
    "failed",
    "raised_by_a_handler",
    "receive",
    "register_barrier",
    "register_context",
    "registered_attributes",
]
