"""Logs to report on, written from the record types themselves."""

import importlib.util
import shutil
from pathlib import Path

import pytest
from msgspec import UNSET, structs
from playwright.sync_api import sync_playwright

from soltrace.wire.record_parts import Steps, Usage
from soltrace.wire.verdicts import Verdict

_spec = importlib.util.spec_from_file_location("sample_logs", Path(__file__).parents[1] / "reading" / "conftest.py")
_samples = importlib.util.module_from_spec(_spec)
_spec.loader.exec_module(_samples)


@pytest.fixture
def logs():
    """To make the records of several runs or experiments."""
    return _samples.Log


@pytest.fixture
def log():
    """The records of a run `r1` in an experiment `fit`."""
    return _samples.Log()


def write_story(directory: Path) -> None:
    """Write two runs: `a` is well, `b` fails, loses something, and is killed while a pass is under way."""
    a, b = _samples.Log("a", lr=0.01, seed=1), _samples.Log("b", "sweep/warm", lr=0.1, seed=1)
    a.append(
        directory / "a.jsonl",
        a.opened(host="vm", pid=7, backend="cpu", devices=1, jax="0.10.2", scheduler="slurm", job="42", array_task="1"),
        a.experiment_started(0),
        a.compiled(2),
        a.started(2),
        a.progress(
            3, progress=0.25, step=10, steps=Steps(accepted=8, rejected=2), watched={"energy": 4.0, "mass": "NaN"}
        ),
        a.progress(4, progress=0.5, step=15, steps=Steps(accepted=13, rejected=2), watched={"energy": 3.5}),
        a.ended(6, duration_s=4.0, step=20, steps=Steps(accepted=18, rejected=2)),
        a.started(6, 1, "backward", forward_pass_id="a.1.forward"),
        a.progress(8, 1, "backward", progress=0.5, step=9, t=50.0),
        a.ended(14, 1, "backward", duration_s=8.0, t=0.0, step=18, steps=Steps(accepted=18, rejected=2, recomputed=36)),
        a.experiment_ended(15),
    )
    steps = Steps(accepted=250, rejected=50)
    b.append(
        directory / "b.jsonl",
        b.opened(host="node2"),
        b.experiment_started(1),
        b.started(2, lanes=[3], t0=UNSET),
        b.progress(3, progress=0.5, step=50, batch_index=[1], steps=Steps(accepted=40, rejected=10)),
        b.progress(3, progress=0.1, step=50, steps=Steps(accepted=80, rejected=10), lanes=b.lanes(3, 1)),
        b.steps(
            4,
            lane=[2],
            step=[58, 59, 60],
            t=[9.5, 9.5, 10.0],
            dt=[1.0, 0.5, 0.5],
            accepted=[False, True, False],
            reason=["error", "", "nonfinite"],
            scaled_error=[4.0, 0.5, "NaN"],
        ),
        b.nonfinite(4, lane=[2]),
        b.lane_ended(4, lane=[2], status="error", result="nonfinite", t="NaN", progress=0.1, step=60),
        b.lane_ended(5, lane=[0], status="error", result="max_steps_reached", progress=0.2),
        b.lane_ended(5, lane=[1]),
        structs.replace(
            b.ended(
                5, status="error", result="nonfinite", duration_s=3.0, progress=0.1, t="NaN", step=120, steps=steps
            ),
            verdict=Verdict(kind="nonfinite", text="Lane 2 met NaN.", advice="Look at it."),
        ),
        b.started(5, 1, "backward", forward_pass_id="b.1.forward"),
        b.ended(
            6, 1, "backward", status="error", result="abandoned", duration_s=1.0, progress=0.0, step=0, steps=UNSET
        ),
        b.experiment_ended(7, error="RuntimeError: no"),
        b.dropped(7, 12),
        b.started(8, 2),
        b.steps(
            10,
            2,
            step=[1, 2, 3, 4],
            t=[0.0, 0.0, 1.0, 4.0],
            dt=[8.0, 1.0, 3.0, 3.0],
            accepted=[False, True, True, True],
            reason=["error", "", "", ""],
            scaled_error=[16.0, 0.25, 0.5, 0.75],
            error_in=["y[0]", "y[0]", "y[1]", ""],
            error_share=[1.0, 0.75, 0.625, "NaN"],
        ),
        b.heartbeat(15, 2, usage=Usage(memory_bytes=5 << 30, device_memory_bytes=60 << 30)),
        b.heartbeat(20, 2, stalled=True, usage=Usage(memory_bytes=3 << 30, cpu_utilization=0.5)),
        b"damage\n",
        b.line(b.ended(21, 3))[:70],
    )


@pytest.fixture
def story(tmp_path):
    """A directory with two runs."""
    write_story(tmp_path)
    return tmp_path


@pytest.fixture
def files(story):
    """Its logs."""
    return sorted(story.glob("*.jsonl"))


@pytest.fixture(scope="module")  # not longer: while playwright is there, nobody else can have an event loop
def browser():
    """A real browser, without a window."""
    with sync_playwright() as playwright:
        options = ["--headless", "--no-sandbox", "--disable-gpu", "--disable-background-networking", "--no-first-run"]
        chromium = playwright.chromium.launch(executable_path=shutil.which("chromium"), args=options)
        yield chromium
        chromium.close()


class Visit:
    """A page that is being looked at, and all that it complains of or asks for."""

    def __init__(self, browser, path: Path, **options) -> None:
        self.page = browser.new_page(**options)
        self.noticed: list[str] = []
        self.page.on("console", lambda message: self.noticed.append(message.text))
        self.page.on("pageerror", lambda error: self.noticed.append(str(error)))
        self.page.on("request", lambda request: self.noticed.append(request.url))
        self.page.goto(path.as_uri())
        # What a page asks for first is itself.
        assert self.noticed.pop(0) == path.as_uri()
        if options.get("java_script_enabled", True):
            self.page.wait_for_selector("html[data-ready]", state="attached")

    def texts(self, selector: str) -> list[str]:
        return [element.inner_text() for element in self.page.query_selector_all(selector) if element.is_visible()]


@pytest.fixture
def visit(browser):
    """Open pages, and close them in the end."""
    visits = []

    def open_(path: Path, **options) -> Visit:
        visits.append(Visit(browser, path, **options))
        return visits[-1]

    yield open_
    for each in visits:
        each.page.close()
