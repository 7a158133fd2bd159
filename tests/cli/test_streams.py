"""Standard streams without room, closed, or without a reader: one clear line and a status, and no traceback."""

import subprocess
from pathlib import Path

import pytest

pytestmark = pytest.mark.programs

COMMANDS = {
    "plain": "tail --no-follow run.jsonl",
    "json": "tail --no-follow --json run.jsonl",
    "csv": "tail --no-follow --csv run.jsonl",
    "following": "tail run.jsonl",
    "report": "report --format md run.jsonl",
    "views": "query",
    "completion": "completion bash",
    "formats": "formats lnav --print",
    "help": "tail --help",
    "version": "--version",
}
NO_ROOM = "No space left on device"


@pytest.fixture
def redirected(soltrace, tmp_path: Path, log):
    """To run a command as a shell redirects it: returns the status, and the lines on stderr."""
    log.append(tmp_path / "run.jsonl", log.experiment_started(0))

    def run(command: str, redirection: str) -> tuple[int, list[str]]:
        shell = ["sh", "-c", f'"$@" {redirection}', "sh", *soltrace.arguments(*command.split())]
        done = subprocess.run(
            shell, cwd=tmp_path, env=soltrace.environ, stderr=subprocess.PIPE, timeout=20, check=False
        )
        return done.returncode, done.stderr.decode().splitlines()

    return run


@pytest.mark.parametrize("name", COMMANDS)
def test_a_full_disk_is_said_in_one_line(redirected, name):
    """On stderr, with a status that says it failed."""
    status, err = redirected(COMMANDS[name], ">/dev/full")
    assert (status, len(err), NO_ROOM in err[0]) == (1, 1, True)


@pytest.mark.parametrize("name", COMMANDS)
def test_a_closed_output_is_said_in_one_line(redirected, name):
    """Nor is a file taken for it."""
    status, err = redirected(COMMANDS[name], ">&-")
    assert (status, [line.partition(": ")[2] for line in err]) == (1, ["cannot write to standard output: it is closed"])


@pytest.mark.parametrize("redirection", ["<&- 2>&-", "2>/dev/full", "<&- >/dev/null 2>&-"])
def test_nobody_need_hear_complaints(redirected, tmp_path, redirection):
    """What can be shown is shown."""
    (tmp_path / "torn.jsonl").write_text("torn\n")
    assert redirected("tail --no-follow run.jsonl torn.jsonl", redirection) == (0, [])


def test_a_report_into_a_file_needs_no_output(redirected, tmp_path):
    """Only what is written to stdout needs one."""
    assert redirected("report -o out.md run.jsonl", ">&-") == (0, ["soltrace: wrote out.md"])
    assert (tmp_path / "out.md").read_text(encoding="utf-8").startswith("# soltrace report")
