"""What exports in this process, if anything does: it registers itself here, and `EXPORTS` is what the others ask.

Host side, any thread. Imports nothing of OpenTelemetry, so that a program that exports nothing does not pay for asking.
"""

from typing import TYPE_CHECKING, Final, Protocol

if TYPE_CHECKING:
    from opentelemetry.metrics import MeterProvider


class Exporting(Protocol):
    """Something that exports what this process records."""

    def own_meter_provider(self) -> "MeterProvider | None":
        """The meter provider to use instead of the global one, if there is one."""
        ...

    def flush(self, timeout_s: float) -> bool:
        """Export everything recorded so far; return whether it was dealt with in time. Any thread."""
        ...

    def stop(self, timeout_s: float, within_s: float) -> None:
        """Export everything recorded so far, then give up and count the rest. Any thread."""
        ...


class Exports:
    """Stands for whatever has been registered, and does nothing until something has been."""

    def __init__(self) -> None:
        """Create it with nothing registered."""
        self._exporting: Exporting | None = None

    def register(self, exporting: Exporting) -> None:
        """Pass everything on to this object from now on. Registering it again changes nothing."""
        self._exporting = exporting

    def own_meter_provider(self) -> "MeterProvider | None":
        """Return the meter provider to use instead of OpenTelemetry's global one.

        Returns:
            None where the global one is right, which it is except in the child of a fork.
        """
        return None if self._exporting is None else self._exporting.own_meter_provider()

    def flush(self, timeout_s: float) -> bool:
        """Export everything recorded so far.

        Args:
            timeout_s: the longest to wait, in seconds.

        Returns:
            Whether everything was dealt with in time: delivered, or counted as lost.
        """
        return True if self._exporting is None else self._exporting.flush(timeout_s)

    def stop(self, timeout_s: float, within_s: float) -> None:
        """Export everything recorded so far, then give up the rest and count it as lost.

        Args:
            timeout_s: the longest to wait, in seconds.
            within_s: how long exporting has been attempted altogether, in seconds, for the message about what is lost.
        """
        if self._exporting is not None:
            self._exporting.stop(timeout_s, within_s)


EXPORTS: Final = Exports()
