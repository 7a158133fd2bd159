"""Reading what was written: follow logs, parse their lines, show them. Imports neither jax nor OpenTelemetry."""

from soltrace.reading.reader import watch

__all__ = ["watch"]
