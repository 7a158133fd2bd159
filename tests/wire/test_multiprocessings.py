import sys
from types import SimpleNamespace

import pytest

from soltrace.wire.multiprocessings import that_started_this


@pytest.mark.parametrize("parent,name", [(None, None), (4711, "billiard")])
def test_a_child_of_billiard_is_known_by_its_process_alone(parent, name, monkeypatch):
    """It has no `parent_process`."""
    process = SimpleNamespace(__name__="billiard.process", current_process=lambda: SimpleNamespace(_parent_pid=parent))
    monkeypatch.setitem(sys.modules, "billiard.process", process)
    assert that_started_this() == name
