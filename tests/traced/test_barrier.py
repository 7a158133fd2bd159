"""What has been dispatched: waited for, and known to be over."""

import json
import os
import subprocess
import sys
from pathlib import Path

PROGRAM = Path(__file__).parents[1] / "programs" / "dying.py"


def test_who_leaves_an_experiment_does_not_wait_for_programs_that_have_died(tmp_path):
    """Their passes end then, and nothing is said to be lost."""
    environ = {"SOLTRACE_DIR": str(tmp_path), "XLA_FLAGS": ""}
    subprocess.run([sys.executable, PROGRAM], env=os.environ | environ, capture_output=True, text=True, check=True)
    (log,) = tmp_path.glob("*.jsonl")
    told = [json.loads(line) for line in log.read_text().splitlines()]
    assert [(r["experiment"], r["phase"], r["result"]) for r in told if r["event"] == "pass.ended"] == [
        ("forwards", "forward", "abandoned"),
        ("batch", "forward", "abandoned"),
        ("backwards", "forward", "successful"),
        ("backwards", "backward", "abandoned"),
        ("late", "forward", "abandoned"),
    ]
    assert [r for r in told if r["event"] == "telemetry.dropped"] == []
