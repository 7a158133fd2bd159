"""Reads what was written: follows logs, parses their lines and shows them.

Reading side. Imports neither jax nor numpy nor OpenTelemetry, so that `soltrace tail` starts at once.
"""

from soltrace.reading.reader import watch

__all__ = ["watch"]
