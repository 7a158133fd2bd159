"""Every Python example of the README runs as it stands there."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

README = (Path(__file__).parents[1] / "README.md").read_text(encoding="utf-8")
EXAMPLES = re.findall(r"^```python\n(.*?)^```$", README, re.MULTILINE | re.DOTALL)
SECTIONS = [
    re.findall(r"^##+ (.*)$", README[: README.index(example)], re.MULTILINE)[-1].lower().replace(" ", "-")
    for example in EXAMPLES
]


@pytest.mark.slow
@pytest.mark.parametrize("example", EXAMPLES, ids=SECTIONS)
def test_an_example_runs(example, tmp_path):
    """It ends well, warns of nothing, and leaves a log."""
    command = [sys.executable, "-W", "error", "-c", example]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert (done.returncode, "Warning" in done.stderr) == (0, False), done.stderr
    assert len(list(tmp_path.glob("soltrace-runs/*.jsonl"))) == 1


def test_every_example_is_found():
    """No block of Python is left out by the way in which they are searched."""
    assert len(EXAMPLES) == README.count("```python") > 0
