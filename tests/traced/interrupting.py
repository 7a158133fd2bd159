"""Sends a signal to this process while its main thread computes. Programs of the tests have its source in them."""

import os
import sys
import threading
import time

from soltrace.host.process import PROCESS


def computes():
    """Say whether the main thread is in a program, and in none of its callbacks."""
    frame = sys._current_frames()[threading.main_thread().ident]
    return PROCESS.shared.passes.open and frame.f_code.co_filename.endswith("pxla.py")


def while_it_computes(number):
    """Send it then."""

    def send():
        while not computes():
            time.sleep(0.001)
        os.kill(os.getpid(), number)

    threading.Thread(target=send, daemon=True).start()
