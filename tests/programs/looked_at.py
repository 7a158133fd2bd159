"""Shows the live view while it does what it is told, line by line: Python, from the pipe that its argument names."""

import logging
import os  # noqa: F401 - as the rest, for what it is told
import signal  # noqa: F401
import subprocess  # noqa: F401
import sys
import time  # noqa: F401

from handing import halfway, hand, run  # noqa: F401

import soltrace  # noqa: F401

held = logging.StreamHandler()  # which has the stream as it is now
log = logging.getLogger("program")
log.addHandler(held)

names = dict(globals())
with open(sys.argv[1]) as told:  # noqa: PTH123 - a pipe
    for line in told:
        exec(compile(line, "told", "exec"), names)
