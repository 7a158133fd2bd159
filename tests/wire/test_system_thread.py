import subprocess
import sys

import pytest

PATCHED = """
import sys, threading, types

original = types.SimpleNamespace(local=threading.local, get_ident=threading.get_ident)

class local:
    "One for each greenlet."

threading.local, threading.get_ident = local, lambda: 7
sys.modules["{module}"] = types.SimpleNamespace({original})

from soltrace.wire.system_thread import SystemLocal, system_thread

print(SystemLocal is original.local, system_thread is original.get_ident)
threading.local, threading.get_ident = original.local, original.get_ident  # as it ends, Python asks for the main thread
"""


@pytest.mark.parametrize(
    "module,original",
    [
        ("gevent.monkey", "get_original=lambda module, name: getattr(original, name)"),
        ("eventlet.patcher", "original=lambda module: original"),
    ],
)
def test_a_threads_own_are_found_where_threading_is_patched(module, original):
    """By what the libraries that patch it have for that; here by stand-ins for these."""
    program = PATCHED.format(module=module, original=original)
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, check=True, timeout=60)
    assert done.stdout == b"True True\n"
