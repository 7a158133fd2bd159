"""What the accelerators of this process have in use: their memory by jax, how busy they are by NVIDIA's library NVML.

Host side, on the worker thread. Neither waits for a device. NVML is asked where the module `pynvml` is installed (of
the package `nvidia-ml-py`), which soltrace does not ask for.
"""

import os
from collections.abc import Callable, Mapping, Sequence
from importlib import import_module
from importlib.util import find_spec
from typing import Any, Final, Generic, TypeVar

from msgspec import UNSET, UnsetType

from soltrace.wire.losses import Losses, What

_Answer = TypeVar("_Answer")
VISIBLE: Final = "CUDA_VISIBLE_DEVICES"
_PERCENT: Final = 100


class UntilItFails(Generic[_Answer]):
    """Asks a question until it fails for the first time, which is counted: a backend may have no answer."""

    def __init__(self, ask: Callable[[], _Answer], losses: Losses) -> None:
        """Ask nothing yet."""
        self._ask: Callable[[], _Answer] | None = ask
        self._losses = losses

    def __call__(self) -> _Answer | None:
        """Return the answer; None where there is none."""
        if self._ask is None:
            return None
        try:
            return self._ask()
        except Exception as error:  # noqa: BLE001 - whatever it is, the rest is told
            self._ask = None
            self._losses.failed(What.USAGE, error)
            return None


def memory(devices: Sequence[Any]) -> tuple[int | UnsetType, int | UnsetType]:
    """Add up the bytes that are allocated, and those that may be; UNSET unless all devices tell: CPUs tell nothing."""
    told: list[Mapping[str, int]] = [device.memory_stats() or {} for device in devices]
    return _total(told, "bytes_in_use"), _total(told, "bytes_limit")


def _total(told: Sequence[Mapping[str, int]], name: str) -> int | UnsetType:
    return sum(one[name] for one in told) if told and all(name in one for one in told) else UNSET


class Gpus:
    """The GPUs that this process may see. NVML is opened when it is first asked."""

    def __init__(self, environ: Mapping[str, str] = os.environ) -> None:
        """Open nothing yet."""
        self._environ = environ
        self._nvml: Any = None
        self._handles: list[Any] | None = None

    def busy(self, devices: Sequence[Any]) -> float | UnsetType:
        """Say in which share of the last moment they computed, on average; UNSET where jax computes on none of them."""
        if not any(device.platform == "gpu" for device in devices) or not self._opened():
            return UNSET
        rates = [self._nvml.nvmlDeviceGetUtilizationRates(handle).gpu for handle in self._opened()]
        return sum(rates) / len(rates) / _PERCENT

    def _opened(self) -> list[Any]:
        if self._handles is None:
            self._handles = []
            if find_spec("pynvml") is not None:
                self._nvml = import_module("pynvml")
                self._nvml.nvmlInit()
                self._handles = self._visible()
        return self._handles

    def _visible(self) -> list[Any]:
        """Find those that CUDA has been told of, by their numbers or names; all, where it has not."""
        named = self._environ.get(VISIBLE)
        if named is None:
            return [self._nvml.nvmlDeviceGetHandleByIndex(index) for index in range(self._nvml.nvmlDeviceGetCount())]
        return [
            self._nvml.nvmlDeviceGetHandleByIndex(int(name))
            if name.isdecimal()
            else self._nvml.nvmlDeviceGetHandleByUUID(name)
            for name in filter(None, map(str.strip, named.split(",")))
        ]
