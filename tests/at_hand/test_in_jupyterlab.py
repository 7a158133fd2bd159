"""The live view in JupyterLab, in a real browser: it moves while a cell runs, stays, and is there when reopened."""

import json
import os
import re
import shutil
import signal
import subprocess
import sys
from contextlib import suppress

import nbformat
import pytest
from playwright.sync_api import Error, sync_playwright

from tests.stack.servers import free_ports, program

pytestmark = [pytest.mark.servers, pytest.mark.programs, pytest.mark.slow, pytest.mark.once]

SETUP = """\
import time
import diffrax, jax, jax.numpy as jnp
import soltrace
soltrace.live()
field = lambda t, y, args: jax.pure_callback(lambda y: (time.sleep(0.02), y)[1], y, -y)
def end(y, field):
    return soltrace.diffeqsolve(diffrax.ODETerm(field), diffrax.Euler(), 0.0, 1.0, 0.01, y).ys[0]"""
SLOW = """\
with soltrace.experiment('slow'):
    end(jnp.array(1.0), field)"""
GRADIENT = """\
with soltrace.experiment('gradient'):
    jax.grad(end)(jnp.array(1.0), lambda t, y, args: -y)
print('all done')"""


@pytest.fixture
def lab(tmp_path):
    """JupyterLab, with our Python as its kernel; its address."""
    (port,) = free_ports(1)
    kernel = tmp_path / "path" / "kernels" / "python3" / "kernel.json"
    kernel.parent.mkdir(parents=True)
    argv = [sys.executable, "-m", "ipykernel_launcher", "-f", "{connection_file}"]
    kernel.write_text(json.dumps({"argv": argv, "display_name": "here", "language": "python"}))
    places = {name: str(tmp_path / name) for name in ("JUPYTER_CONFIG_DIR", "JUPYTER_DATA_DIR", "JUPYTER_RUNTIME_DIR")}
    environ = os.environ | places | {"JUPYTER_PATH": str(tmp_path / "path"), "IPYTHONDIR": str(tmp_path / "ipython")}
    options = [
        "--no-browser",
        "--allow-root",
        "--IdentityProvider.token=",
        "--LabApp.news_url=None",
    ]
    command = [program("jupyter-lab") / "bin" / "jupyter-lab", *options, f"--ServerApp.port={port}"]
    command.append(f"--ServerApp.root_dir={tmp_path}")
    with (tmp_path / "lab.log").open("w") as log:
        process = subprocess.Popen(command, env=environ, cwd=tmp_path, stdout=log, stderr=log, start_new_session=True)
    yield f"http://127.0.0.1:{port}/lab/tree/work.ipynb?reset"
    process.send_signal(signal.SIGTERM)
    process.wait(30)


@pytest.fixture
def page(lab):
    """A page of the browser."""
    with sync_playwright() as playwright:
        options = ["--headless", "--no-sandbox", "--disable-gpu", "--disable-background-networking", "--no-first-run"]
        chromium = playwright.chromium.launch(executable_path=shutil.which("chromium"), args=options)
        page = chromium.new_page(viewport={"width": 1000, "height": 1000})
        yield page
        chromium.close()


def open_(page, address: str) -> None:
    """Open the notebook, once the server is there."""
    for _ in range(300):
        with suppress(Error):  # the server is not there yet
            page.goto(address)
            break
        page.wait_for_timeout(100)
    page.wait_for_selector(".jp-Notebook .jp-CodeCell", timeout=60_000)


def test_it_moves_and_stays(tmp_path, lab, page):
    """A bar while the cell runs, a summary under each cell afterwards, and the same when the notebook is reopened."""
    path = tmp_path / "work.ipynb"
    notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(cell) for cell in (SETUP, SLOW, GRADIENT)])
    notebook.metadata.kernelspec = {"name": "python3", "display_name": "here", "language": "python"}
    nbformat.write(notebook, path)
    open_(page, lab)

    page.wait_for_selector("text=/here . Idle/", timeout=60_000)  # cells that are run before are forgotten
    page.click(".jp-Notebook .jp-CodeCell .jp-InputArea")
    page.click("text=Run >> nth=0")
    page.click(".lm-Menu-item[data-command='runmenu:run-all']")
    page.wait_for_selector("text=/━.*%/", timeout=60_000)
    moving = page.query_selector_all(".jp-RenderedHTML")[0].inner_text()
    assert re.search(r"soltrace: 1 pass open, 0 ended(.|\n)*slow\s+forward\s+#1\s+━.*\d+\.\d\s%", moving)
    page.screenshot(path=tmp_path / "moving.png")
    page.wait_for_selector("text=/^all done/", timeout=60_000)
    page.keyboard.press("Control+s")

    def areas() -> list[str]:
        return [area.inner_text().split("\n")[0] for area in page.query_selector_all(".jp-RenderedHTML")]

    assert [re.sub(r"[\d.]+ m?s", "#", area) for area in areas()] == [
        "soltrace: 1 pass ended, compiled in #",
        "soltrace: 2 passes ended, compiled in #",
    ]
    before = areas()
    page.wait_for_function("() => !document.querySelector('.jp-mod-dirty')", timeout=30_000)

    open_(page, lab)
    page.wait_for_selector(".jp-RenderedHTML", timeout=30_000)
    page.screenshot(path=tmp_path / "reopened.png")
    assert areas() == before
    outputs = [output for cell in nbformat.read(path, as_version=4).cells for output in cell.get("outputs", [])]
    shown = [json.dumps(output["data"], ensure_ascii=False) for output in outputs if "data" in output]
    assert len(shown) == 2
    assert re.findall(r"[\x00-\x1f\x7f-\x9f]|\\u00|\\r|\\x", "".join(shown)) == []
