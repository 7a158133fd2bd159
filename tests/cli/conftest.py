"""The command line as a process of its own, and the sample logs of the reading side."""

import importlib.util
import os
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

_spec = importlib.util.spec_from_file_location("sample_logs", Path(__file__).parents[1] / "reading" / "conftest.py")
_samples = importlib.util.module_from_spec(_spec)
_spec.loader.exec_module(_samples)

DEADLINE_S = 20


@pytest.fixture
def log():
    """The records of a run `r1` in an experiment `fit`."""
    return _samples.Log()


@pytest.fixture
def logs():
    """To make the records of several runs or experiments."""
    return _samples.Log


class Command:
    """Start `python -m soltrace`, with an environment of its own."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.environ = {"PATH": os.environ["PATH"], "PYTHONWARNINGS": "error", "LC_ALL": "C.UTF-8"}
        self._started: list[subprocess.Popen] = []

    def arguments(self, *arguments: object) -> list[str]:
        return [sys.executable, "-m", "soltrace", *map(str, arguments)]

    def run(self, *arguments: object, **environ: str) -> tuple[int, list[str], list[str]]:
        """Run to the end. Returns the status and the lines of stdout and stderr."""
        done = subprocess.run(
            self.arguments(*arguments),
            cwd=self.directory,
            env=self.environ | environ,
            capture_output=True,
            timeout=DEADLINE_S,
            check=False,
        )
        return done.returncode, done.stdout.decode().split("\n")[:-1], done.stderr.decode().split("\n")[:-1]

    def start(self, *arguments: object, stdout, stderr) -> subprocess.Popen:
        """Start, and go on."""
        process = subprocess.Popen(
            self.arguments(*arguments), cwd=self.directory, env=self.environ, stdout=stdout, stderr=stderr
        )
        self._started.append(process)
        return process

    def end(self) -> None:
        """End what still runs."""
        for process in self._started:
            process.kill()
            process.wait()
            for stream in (process.stdout, process.stderr):
                if stream is not None:
                    stream.close()


@pytest.fixture
def soltrace(tmp_path: Path):
    """The command, in an empty directory."""
    command = Command(tmp_path)
    yield command
    command.end()


def wait_for(look: Callable[[], object], expected: Callable[[object], bool]) -> object:
    """Look again and again until what is seen is as expected, and return it; at the deadline, whatever it is."""
    deadline = time.monotonic() + DEADLINE_S
    while not expected(seen := look()) and time.monotonic() < deadline:
        time.sleep(0.02)
    return seen


@pytest.fixture
def until():
    """To wait for an effect in the world outside."""
    return wait_for
