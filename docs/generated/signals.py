"""The reference of OpenTelemetry's signals: every metric, and the attributes whose names are constants of the wire."""

from dataclasses import dataclass
from typing import Any

from opentelemetry.metrics import Meter, NoOpMeter, NoOpMeterProvider

import soltrace
from soltrace.wire import names

from . import source

KINDS = {
    "create_counter": "counter",
    "create_up_down_counter": "up-down counter",
    "create_histogram": "histogram",
    "create_gauge": "gauge",
    "create_observable_counter": "counter",
    "create_observable_up_down_counter": "up-down counter",
    "create_observable_gauge": "gauge",
}


@dataclass(frozen=True)
class Instrument:
    """What the meter was asked to make."""

    name: str
    kind: str
    unit: str
    description: str


class _Listening(NoOpMeter):
    """A meter that makes nothing, and remembers what it was asked for."""

    def __init__(self, found: list[Instrument]) -> None:
        super().__init__("listening")
        self._found = found

    def __getattribute__(self, name: str) -> Any:
        make = super().__getattribute__(name)
        if name not in KINDS:
            return make
        found = self._found

        def listen(instrument: str, *args: Any, **kwargs: Any) -> Any:
            said = [argument for argument in args if isinstance(argument, str)]
            unit = kwargs.get("unit") or said[0]
            description = kwargs.get("description") or said[-1]
            found.append(Instrument(instrument, KINDS[name], unit, description))
            return make(instrument, *args, **kwargs)

        return listen


class _Provider(NoOpMeterProvider):
    def __init__(self) -> None:
        self.found: list[Instrument] = []

    def get_meter(self, *_: Any, **__: Any) -> Meter:
        return _Listening(self.found)


def instruments() -> list[Instrument]:
    """Every instrument that soltrace makes, found by letting it make them: what is told here is what is exported."""
    provider = _Provider()
    soltrace.configure(json_log=False, spans=False, logs=False, meter_provider=provider)
    with soltrace.experiment("documentation"):
        pass
    soltrace.shutdown()
    soltrace.configure()
    return sorted(set(provider.found), key=lambda instrument: instrument.name)


def attributes_of_metrics() -> dict[str, list[str]]:
    """The attributes of each metric."""
    return {name: list(by) for name, by in names.METRICS.items()}


def metrics() -> str:
    """The list of metrics."""
    by = attributes_of_metrics()
    return "\n".join(_metric(made, by[made.name]) for made in instruments())


def _metric(made: Instrument, by: list[str]) -> str:
    counted = f" By {', '.join(f'`{attribute}`' for attribute in by)}." if by else ""
    return f"`{made.name}` — {made.kind}, unit `{made.unit}`\n: {made.description}{counted}\n"


def attributes() -> str:
    """The table of attributes that have a name of their own, beside those that are called as a record's field."""
    metrics_named = set(attributes_of_metrics())
    rows = [
        f"| `{value}` | {docstring} |"
        for constant, docstring in source.constants(names).items()
        if isinstance(value := getattr(names, constant), str)
        and value not in {*metrics_named, names.PREFIX, names.SCOPE}
        and not constant.startswith("_")
    ]
    return "\n".join(["| attribute | |", "| --- | --- |", *rows])
