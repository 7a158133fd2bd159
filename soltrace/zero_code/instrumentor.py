"""`SoltraceInstrumentor`: solves of unmodified programs are traced, in OpenTelemetry's own way.

Host side, on the caller's thread. `opentelemetry-instrument python solve.py` finds it by its entry point, and
`SoltraceInstrumentor().instrument()` does the same by hand. It needs the extra `zero-code`; `soltrace run` does not.
"""

from collections.abc import Collection
from typing import Any, Final

from opentelemetry.instrumentation.instrumentor import BaseInstrumentor

from soltrace.setup.configure import configure
from soltrace.zero_code import hooks

PROVIDERS: Final = ("tracer_provider", "meter_provider", "logger_provider")


class SoltraceInstrumentor(BaseInstrumentor):
    """Let every `diffrax.diffeqsolve` of this process report.

    `instrument(tracer_provider=..., meter_provider=..., logger_provider=...)`: what is given goes to
    `soltrace.configure`, which forgets what it was told before. `uninstrument()` makes diffrax what it was. Functions
    of your own that were compiled before either of them stay as they were compiled, until `jax.clear_caches()`.
    """

    def instrumentation_dependencies(self) -> Collection[str]:
        """Name what is instrumented."""
        return ["diffrax >= 0.7.2"]

    def _instrument(self, **kwargs: Any) -> None:
        providers = {name: kwargs[name] for name in PROVIDERS if kwargs.get(name) is not None}
        if providers:
            configure(**providers)
        hooks.instrument()

    def _uninstrument(self, **kwargs: Any) -> None:  # noqa: ARG002 - as OpenTelemetry calls it
        hooks.uninstrument()
