"""Which kernels XLA takes on a GPU, which may be wrong ones.

Traced side, when a program is lowered. For some of the functions that it makes of a program, XLA measures two kernels,
its own and Triton's, and takes the faster one: another one from process to process. Of a loop that calls the host these
are others than of diffrax's. On an H200 with jax 0.11.2, Triton's kernel of one of them, which says when the next step
ends, does not agree with those that say whether this one is accepted, and the solve goes astray.
"""

import os
from typing import Final

from soltrace.wire.warn import warn_once

_CHOOSES: Final = "--xla_gpu_experimental_enable_fusion_autotuner"
_DETERMINISTIC: Final = "--xla_gpu_deterministic_ops"
_ON: Final = frozenset({"", "true", "1"})
_OFF: Final = frozenset({"false", "0"})
"""How XLA takes a flag to be written."""
_GPUS: Final = frozenset({"cuda", "rocm"})


def warn_of_choices(platform: str) -> None:
    """Warn, once, where XLA may choose a kernel by how fast it was."""
    if platform not in _GPUS:
        return
    given = (flag.partition("=") for flag in os.environ.get("XLA_FLAGS", "").split())
    flags = {name: value for name, _, value in given}  # of one that is there twice the last counts
    if flags.get(_DETERMINISTIC, "false") not in _ON and flags.get(_CHOOSES, "true") not in _OFF:
        warn_once(
            "XLA chooses kernels on this GPU by how fast they were in this process, and one of them has made solves "
            f"wrong (H200, jax 0.11.2). Set XLA_FLAGS={_CHOOSES}=false; see the limits in soltrace's "
            "docs/reference/transformations.md."
        )
