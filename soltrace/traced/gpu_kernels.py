"""Which kernels XLA takes on a GPU, which may be wrong ones.

Traced side, when a program is lowered. For some of the functions that it makes of a program, XLA measures two kernels,
its own and Triton's, and takes the faster one: another one from process to process. Of a loop that calls the host these
are others than of diffrax's. On an H200 with jax 0.11.2, Triton's kernel of one of them, which says when the next step
ends, does not agree with those that say whether this one is accepted, and the solve goes astray.
"""

import os
from typing import Final

from soltrace.wire.warn import warn_once

_ONE_KERNEL: Final = "--xla_gpu_experimental_enable_fusion_autotuner=false"
_DETERMINISTIC: Final = ("xla_gpu_deterministic_ops=true", _ONE_KERNEL)
_GPUS: Final = frozenset({"cuda", "rocm"})


def warn_of_choices(platform: str) -> None:
    """Warn, once, where XLA may choose a kernel by how fast it was."""
    flags = os.environ.get("XLA_FLAGS", "")
    if platform in _GPUS and not any(flag in flags for flag in _DETERMINISTIC):
        warn_once(
            "XLA chooses kernels on this GPU by how fast they were in this process, and one of them has made solves "
            f"wrong (H200, jax 0.11.2). Set XLA_FLAGS={_ONE_KERNEL}; see the limits in soltrace's "
            "docs/reference/transformations.md."
        )
