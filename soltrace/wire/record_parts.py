"""Parts of records that are objects of their own on the wire: counts of steps, a batch, what a process takes."""

from msgspec import UNSET, Struct, UnsetType


class Steps(Struct, frozen=True, kw_only=True, gc=False):
    """Numerical steps by outcome. For a batch, the sum over its lanes."""

    accepted: int
    """Steps that the step size controller accepted."""
    rejected: int
    """Steps that it rejected; each was tried again with a smaller step size."""
    recomputed: int | UnsetType = UNSET
    """Forward steps that a backward pass evaluated again (checkpointing). Of backward passes only."""


class Lanes(Struct, frozen=True, kw_only=True, gc=False):
    """The state of a batch as a whole."""

    total: int
    """Lanes of the batch: the product of its `batch_shape`."""
    finished: int
    """Lanes that have ended, whether well or not."""
    failed: int
    """Lanes that have ended with an error; they are among the finished ones."""
    progress_min: float
    """Progress of the slowest lane, in [0, 1]."""
    progress_median: float
    """Median progress over all lanes, in [0, 1]."""
    progress_max: float
    """Progress of the fastest lane, in [0, 1]."""


class Usage(Struct, frozen=True, kw_only=True, gc=False):
    """What the process takes, all its passes together."""

    memory_bytes: int | UnsetType = UNSET
    """Bytes of the process that are in memory: OpenTelemetry's `process.memory.usage`. Known on Linux."""
    cpu_utilization: float | UnsetType = UNSET
    """Share of the processors that it may use, since the last time: OpenTelemetry's `process.cpu.utilization`.

    Unitless, in [0, 1]. Known from the second heartbeat on.
    """
    device_memory_bytes: int | UnsetType = UNSET
    """Bytes that jax has allocated on its devices, of this process and all together. Known where a backend tells."""
    device_memory_limit_bytes: int | UnsetType = UNSET
    """Bytes that it may allocate there."""
    device_utilization: float | UnsetType = UNSET
    """Share of the last moment in which its GPUs computed, on average: OpenTelemetry's `hw.gpu.utilization`.

    Unitless, in [0, 1]. Known of NVIDIA's, where the module `pynvml` is installed (of the package `nvidia-ml-py`).
    """
