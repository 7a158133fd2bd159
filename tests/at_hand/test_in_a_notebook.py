"""The live view in a notebook that a real kernel executes: what is saved of it."""

import re
import subprocess
import sys
from pathlib import Path

import nbformat
import pytest
from nbclient import NotebookClient

PROGRAMS = Path(__file__).parents[1] / "programs"
CONTROL = re.compile(r"[\x00-\x09\x0b-\x1f\x7f-\x9f]")
"""What a terminal obeys, and no notebook should hold."""
ENDED = "✓ fit  forward  ended ok in 1.24 s: 4,602 steps (17 rejected)"

BOTH = "✓ fit  forward  2 passes ok in 2.48 s, median 1.24 s, 9,204 steps (34 rejected)"
OPEN = "  fit  forward  #8  ━━━━━━━━━━━━━━━───────────────  50.0 %   t 50.00      20 steps     2/s      eta ~10 s"
FAILED = """\
✗ fit  forward  FAILED in 1.24 s: max_steps_reached at 30.0 %, t=100; 4,602 steps (17 rejected)
✗ fit  experiment  FAILED in 1 min 00 s: it is <broken>"""


@pytest.fixture
def kernel(tmp_path, monkeypatch):
    """Make a client of a real kernel, in a place of its own, for a notebook of these cells."""
    for name in ("JUPYTER_DATA_DIR", "JUPYTER_CONFIG_DIR", "JUPYTER_RUNTIME_DIR", "IPYTHONDIR"):
        monkeypatch.setenv(name, str(tmp_path / name))
    monkeypatch.setenv("JUPYTER_PLATFORM_DIRS", "1")
    monkeypatch.setenv("SOLTRACE_DIR", str(tmp_path / "runs"))

    def client(*sources: str) -> NotebookClient:
        cells = [nbformat.v4.new_code_cell(source) for source in sources]
        notebook = nbformat.v4.new_notebook(cells=cells)
        return NotebookClient(
            notebook, timeout=60, allow_errors=True, kernel_name="python3", resources={"metadata": {"path": PROGRAMS}}
        )

    return client


@pytest.fixture
def executed(kernel, tmp_path):
    """Execute cells one after the other, and return what is saved of their outputs."""

    def execute(*sources: str) -> list[list]:
        client = kernel(*sources)
        client.execute()
        saved = tmp_path / "saved.ipynb"
        nbformat.write(client.nb, saved)
        return [cell.outputs for cell in nbformat.read(saved, as_version=4).cells]

    return execute


def texts(outputs: list) -> list[str]:
    """What a reader without HTML sees of each output."""
    return [output.get("text") or output.get("ename") or output["data"]["text/plain"] for output in outputs]


def cells_of(html: str) -> list[list[str]]:
    """The rows of the tables."""
    rows = re.findall("<tr>(.*?)</tr>", html)
    return [re.findall("<t[dh][^>]*>(.*?)</t[dh]>", row.replace("&nbsp;", " ")) for row in rows]


@pytest.mark.slow
@pytest.mark.once
def test_each_cell_that_solves_keeps_a_summary(executed):
    """Of what ran in it and how that ended: also where it is interrupted, run again, or another one's pass is open."""
    done = "hand(run.started(58, {0}), run.ended(59, {0}))"
    beside = "halfway(7); print('a pass stays open')"
    interrupted = (
        "import os, signal, threading, time\n"
        "halfway(8)\n"
        "threading.Timer(1.2, lambda: os.kill(os.getpid(), signal.SIGINT)).start()\n"
        "time.sleep(20)"
    )
    failed = (
        "hand(run.ended(59, 9, status='error', result='max_steps_reached', progress=0.3),\n"
        "     run.experiment_ended(60, error='it is <broken>'))"
    )
    cells = executed(
        "import soltrace\nfrom handing import *\nsoltrace.live()\nprint('ready')",
        f"print('before'); {done.format(1)}; print('after')",
        "1 + 1",
        beside,
        done.format(2),
        f"hand(run.ended(61, 7)); {done.format(3)}; {done.format(4)}",
        interrupted,
        failed,
        f"with soltrace.live():\n    {done.format(5)}",
        "soltrace.shutdown()",
        done.format(6),
    )

    one = f"soltrace: 1 pass ended\n{ENDED}"
    assert [texts(outputs) for outputs in cells] == [
        ["ready\n"],
        ["before\nafter\n", one],
        ["2"],
        ["a pass stays open\n", one],  # it has ended while another cell ran
        [one],
        [f"soltrace: 2 passes ended\n{BOTH}"],
        [f"soltrace: 1 pass still open, 0 passes ended\n{OPEN}", "KeyboardInterrupt"],
        [f"soltrace: 1 pass ended, 1 FAILED\n{FAILED}"],
        [one],
        ["True"],
        [],
    ]
    pages = [output["data"].get("text/html", "") for cell in cells for output in cell if "data" in output]
    assert [page for page in pages if CONTROL.search(page)] == []
    assert "; the cell was interrupted</b>" in pages[5]
    heads = ["", "experiment", "phase", "passes", "ended", "in all", "median", "steps", "rejected"]
    assert cells_of(pages[4]) == [heads, ["✓", "fit", "forward", "2", "ok", "2.48 s", "1.24 s", "9,204", "34"]]
    assert cells_of(pages[6])[1][4] == "FAILED: 1 max_steps_reached"
    assert "fit: experiment FAILED in 1 min 00 s: it is &lt;broken&gt;" in pages[6]


@pytest.mark.slow
@pytest.mark.once
def test_a_cell_that_is_run_again_begins_anew(kernel):
    """What its last run was about is not in it, nor comes back once that has ended."""
    client = kernel(
        "import itertools\nimport soltrace\nfrom handing import *\nnumbers = itertools.count(1)\nsoltrace.live()",
        "halfway(next(numbers)); print('a pass stays open')",
        "hand(run.ended(61, 1)); hand(run.ended(61, 2))",
    )
    seen = []
    with client.setup_kernel():
        for number in (0, 1, 1, 2, 1):
            client.execute_cell(client.nb.cells[number], number)
            seen.append([texts(cell.outputs) for cell in client.nb.cells])
    still = [f"soltrace: 1 pass still open, 0 passes ended\n{OPEN.replace('#8', f'#{number}')}" for number in (1, 2, 3)]
    opened = "a pass stays open\n"
    assert seen == [
        [[], [], []],
        [[], [opened, still[0]], []],
        [[], [opened, still[1]], []],
        [[], [opened, f"soltrace: 1 pass ended\n{ENDED}"], []],
        [[], [opened, still[2]], []],
    ]


def test_without_ipython_there_is_no_notebook():
    """And it is not imported to find that out."""
    program = "import sys; from soltrace.at_hand.screens import suitable; print(suitable(), 'IPython' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert re.sub(r" at 0x\w+", "", done.stdout) == "<soltrace.at_hand.line_screen.LineScreen object> False\n"
