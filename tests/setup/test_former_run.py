"""The run that one continues, found in logs of other runs."""

import json
import time

import pytest

from soltrace.setup import former_run as finder
from soltrace.setup.former_run import former_run
from soltrace.setup.settings import Settings

pytestmark = pytest.mark.once
TASK = {"scheduler": "slurm", "job": "17", "array_task": "1"}
OTHER = TASK | {"array_task": "2"}
AGAIN = TASK | {"restart": "2"}
LINE = b'{"event":"pass.progress","attributes":{"said":"log.opened"}}\n'


def opened(run_id, where, second=0):
    """A first line."""
    line = {"timestamp": f"2026-01-01T00:00:{second:02}Z", "event": "log.opened", "run_id": run_id, "resource": where}
    return json.dumps(line, separators=(",", ":")).encode() + b"\n"


@pytest.mark.parametrize("shift", [0, 1, 40, 100, 150, 185, 200, 10_000])
def test_a_node_s_log_is_looked_through_from_its_end(shift, tmp_path):
    """The last line of the task counts, wherever it stands: also across two of the pieces that are read at once."""
    before = opened("older", TASK, 1) + LINE + opened("last", TASK | {"restart": "1"}, 2) + opened("else", OTHER, 3)
    after = LINE * (finder._CHUNK // len(LINE) + 2)
    log = before * 3 + after[: finder._CHUNK - shift].rpartition(b"\n")[0] + b"\n" + b"x" * (shift % 7) + b"\n"
    (tmp_path / "node-elsewhere-job17.jsonl").write_bytes(log)
    (tmp_path / "fit-node1-job17-task1-9.jsonl").write_bytes(opened("oldest", TASK, 0) + LINE)
    (tmp_path / "node-elsewhere-job18.jsonl").write_bytes(opened("of another job", TASK, 4))
    assert former_run(AGAIN, Settings(directory=tmp_path)) == "last"
    assert former_run(TASK | {"restart": "1"}, Settings(directory=tmp_path)) == "older"
    assert former_run(TASK, Settings(directory=tmp_path)) is None


def test_it_takes_a_second_at_most(tmp_path, monkeypatch):
    """However long the log is: who solves waits for it."""
    monkeypatch.setattr(finder, "_FOR_S", 0.05)
    (tmp_path / "node-a-job17.jsonl").write_bytes(opened("far", TASK) + LINE * 1_000_000)
    began = time.monotonic()
    former_run(AGAIN, Settings(directory=tmp_path))
    assert time.monotonic() - began < 1.0
