"""`jq` reads the log as it is; it has to be there (`make test` says how to install it)."""

import json
import shutil
import subprocess

import pytest

pytestmark = pytest.mark.programs

QUESTION = """
select(.event == "pass.ended") | {phase, status, s: .duration_s, accepted: .steps.accepted, seed: .attributes.seed, t}
"""


def test_a_question_in_one_line(log):
    """How each pass ended, how long it took, and for which attribute."""
    done = subprocess.run([shutil.which("jq"), "-c", QUESTION, log], capture_output=True, text=True, check=True)

    assert (list(map(json.loads, done.stdout.splitlines())), done.stderr) == (
        [
            {"phase": "forward", "status": "ok", "s": 1.24, "accepted": 4585, "seed": 3, "t": 100},
            {"phase": "forward", "status": "error", "s": 1, "accepted": 4585, "seed": 3, "t": "NaN"},
            {"phase": "backward", "status": "ok", "s": 2.5, "accepted": 4585, "seed": 3, "t": 100},
        ],
        "",
    )
