"""Children of `multiprocessing`: they end otherwise than other processes do.

Host side, any thread.
"""

import sys
from typing import Final

BEFORE_IT_IS_TERMINATED_S: Final = 1.0
"""How long the end of an experiment may take to get to its log there."""


def is_child_of_multiprocessing() -> bool:
    """Say whether this process is one. A pool terminates its workers as soon as it has their results."""
    multiprocessing = sys.modules.get("multiprocessing")
    return multiprocessing is not None and multiprocessing.parent_process() is not None
