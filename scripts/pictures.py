"""Take the pictures of docs/ and dashboards/README.md anew: `python -m scripts.pictures`, after `make servers`.

Of what can be drawn here: the report, and a run's events in VictoriaLogs' own page. Grafana is not built from source.
"""

import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

from playwright.sync_api import sync_playwright

from tests.stack.servers import running

HERE = Path(__file__).parents[1] / "dashboards" / "pictures"
BROWSER = ["--headless", "--no-sandbox", "--disable-gpu", "--disable-background-networking", "--no-first-run"]
QUESTION = """event_name:="pass.ended" | format "<soltrace.phase> of <soltrace.experiment.name> <soltrace.status> in
<soltrace.duration_s> s: <soltrace.steps.accepted> steps, trace <trace_id>" as _msg"""
SIZE: Any = {"width": 1280, "height": 800}


def soltrace(directory: Path, *arguments: str) -> None:
    """Run a command of ours."""
    command = [sys.executable, "-m", "soltrace", *arguments]
    environ = os.environ | {"OTEL_SERVICE_NAME": "demo"}
    subprocess.run(command, cwd=directory, check=True, env=environ)


def main() -> None:
    """Run the demonstration against the real servers, and look at it."""
    HERE.mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory() as name, sync_playwright() as playwright:
        directory = Path(name)
        chromium = playwright.chromium.launch(executable_path=shutil.which("chromium"), args=BROWSER)
        page = chromium.new_page(viewport=SIZE)
        with running(directory) as stack:
            soltrace(directory, "demo", "--otlp", stack.otlp_http, "--directory", "runs")
            stack.logs.query('event_name:="pass.ended"', 64)  # wait for them
            question = {"query": QUESTION.replace("\n", " "), "view": "table"}
            page.goto(f"{stack.logs.url}/select/vmui/#/?{urlencode(question)}")
            page.wait_for_load_state("networkidle")
            page.screenshot(path=HERE / "logs.png")
        soltrace(directory, "report", "runs", "-o", "report.html")
        page.goto((directory / "report.html").as_uri())
        page.wait_for_selector("html[data-ready]", state="attached")
        page.locator("h2", has_text="What it cost").evaluate("heading => heading.scrollIntoView()")
        page.screenshot(path=HERE / "report.png")
        chromium.close()


if __name__ == "__main__":
    main()
