"""lnav with the format that `soltrace formats lnav` installs; it has to be there (`make test` says how to get it)."""

import csv
import io
import shutil
import subprocess
from importlib import resources

import pytest

pytestmark = pytest.mark.programs

FORMAT = resources.files("soltrace").joinpath("formats", "lnav.json")


@pytest.fixture
def lnav(tmp_path):
    """Run lnav without its screen, in a home of its own where the format is installed."""
    directory = tmp_path / ".lnav" / "formats" / "installed"
    directory.mkdir(parents=True)
    (directory / "soltrace.json").write_text(FORMAT.read_text())

    def run(*arguments: object) -> str:
        command = [shutil.which("lnav"), "-n", "-W", *map(str, arguments)]
        environ = {"HOME": str(tmp_path), "PATH": "/usr/bin:/bin", "LC_ALL": "C.UTF-8", "TERM": "dumb", "TZ": "UTC"}
        done = subprocess.run(command, env=environ, capture_output=True, text=True, check=False)
        # With -W it complains of a format that is not as it should be.
        assert (done.returncode, done.stderr) == (0, "")
        return done.stdout

    return run


def test_a_line_for_each_event(lnav, log):
    """What happened, to what, and how far it was."""
    lines = [" ".join(line.split()) for line in lnav(log).splitlines()]
    assert lines == [
        "03:24:29.123 null log.opened",
        "03:24:29.123 fit experiment.started",
        "03:24:30.123 fit program.compiled fit",
        "03:24:30.123 fit pass.started forward Tsit5",
        "03:24:31.123 fit pass.progress forward 0.500000 50.000000 60",
        "03:24:32.123 fit pass.ended forward 1.000000 100.000000 4602 ok successful 1.240000",
        "03:24:32.123 fit pass.started forward Tsit5",
        "03:24:33.123 fit lane.ended forward 1.000000 NaN 120 error nonfinite",
        "03:24:33.123 fit pass.ended forward 1.000000 NaN 4602 error nonfinite 1.000000",
        "03:24:34.123 fit pass.started backward Tsit5",
        "03:24:36.123 fit pass.ended backward 1.000000 100.000000 4602 ok successful 2.500000",
        "03:24:37.123 fit experiment.ended ok 8",
    ]


def test_sql(lnav, log):
    """The fields are columns, the level is lnav's own, and structures are JSON."""
    question = (
        ";SELECT log_level, phase, duration_s, json_extract(steps, '$.accepted') AS accepted, "
        "json_extract(attributes, '$.seed') AS seed FROM soltrace_log WHERE event = 'pass.ended'"
    )
    rows = list(csv.DictReader(io.StringIO(lnav("-c", question, "-c", ":write-csv-to -", log))))
    assert rows == [
        {"log_level": "info", "phase": "forward", "duration_s": "1.24", "accepted": "4585", "seed": "3"},
        {"log_level": "error", "phase": "forward", "duration_s": "1", "accepted": "4585", "seed": "3"},
        {"log_level": "info", "phase": "backward", "duration_s": "2.5", "accepted": "4585", "seed": "3"},
    ]
