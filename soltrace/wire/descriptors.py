"""Descriptors of files that stay open.

Any side.
"""

import os
from typing import Final

STANDARD_ERROR: Final = 2


def above_standard(descriptor: int) -> int:
    """Move a descriptor above those of the standard streams, and return it.

    A program may be started without them. Whatever writes to number 2 as to stderr, as XLA does, would write into our
    file then.
    """
    low: list[int] = []
    while descriptor <= STANDARD_ERROR:
        low.append(descriptor)
        descriptor = os.dup(descriptor)
    for each in low:
        os.close(each)
    return descriptor
