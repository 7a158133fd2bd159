"""The live view in a marimo notebook that marimo itself executes: what is exported of it."""

import os
import re
import shutil
import subprocess
from pathlib import Path

import pytest

from tests.stack.servers import ROOT, program

NOTEBOOK = Path(__file__).parents[1] / "programs" / "marimo_notebook.py"


@pytest.mark.servers
@pytest.mark.slow
@pytest.mark.once
def test_each_cell_that_asks_for_it_keeps_a_summary(tmp_path):
    """Of its own passes, and how they ended."""
    notebook, page = shutil.copy(NOTEBOOK, tmp_path), tmp_path / "page.html"  # marimo keeps things beside it
    command = [program("marimo") / "bin" / "marimo", "export", "html", "--no-include-code", "-o", page, notebook]
    environ = os.environ | {"PYTHONPATH": str(ROOT), "HOME": str(tmp_path)}
    done = subprocess.run(command, env=environ, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")
    exported = page.read_text(encoding="utf-8").encode().decode("unicode_escape", "ignore")
    assert re.findall(r"soltrace: [^<]*", exported) == ["soltrace: 2 passes ended", "soltrace: 1 pass ended, 1 FAILED"]
    assert "FAILED:&nbsp;1&nbsp;nonfinite" in exported
