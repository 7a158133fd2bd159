"""Disks that are full, limited, broken, silent or gone: real ones where Linux has them, else by a library in front."""

import errno
import json
import os
import struct
import subprocess
import sys
import time
from collections import Counter
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
APART = ["unshare", "--user", "--map-root-user", "--mount"]
"""In a space of mounts of its own, which any user may have."""
ON_A_SMALL_DISK = """
set -e
mount -t tmpfs -o size=512k small "$2"
LD_PRELOAD=$3 "$4" "$5" "$1" "$2" || exit
cp "$2"/*.jsonl "$1"
"""

ERRORS = [errno.ENOSPC, errno.EFBIG, errno.EDQUOT, errno.EIO, errno.EROFS]
EXIT_TIMEOUT_S = 2.0


@pytest.fixture
def faults(tmp_path):
    """The library that has writes to logs fail, compiled, and the environment of a program under it."""
    library = tmp_path / "faults.so"
    subprocess.run(["cc", "-shared", "-fPIC", "-O1", "-o", library, ROOT / "benchmarks" / "faults.c"], check=True)
    (tmp_path / "control").write_bytes(bytes(16))
    return library, os.environ | {"FAULTS": str(tmp_path / "control")}


@pytest.mark.programs
@pytest.mark.slow
@pytest.mark.once
def test_a_disk_that_fails_costs_what_it_did_not_take_and_nothing_else(tmp_path, faults):
    """The answers are the same, what is lost is counted to the record, and the log goes on when the disk does.

    At last the disk hangs for ever, and the process ends all the same.
    """
    library, environment = faults
    logs, disk = tmp_path / "logs", tmp_path / "disk"
    logs.mkdir()
    disk.mkdir()
    program = [sys.executable, ROOT / "tests" / "programs" / "faulty_disk.py"]
    done = subprocess.run(
        [*APART, "sh", "-c", ON_A_SMALL_DISK, "sh", logs, disk, library, *program],
        env=environment,
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    ended = time.time()
    said = json.loads(done.stdout)
    assert all(answers == said["answers"]["none"] for answers in said["answers"].values())
    lines, torn = written(logs)
    lost = Counter()
    for line in lines:
        if line["event"] == "telemetry.dropped":
            lost[line["what"], line["reason"]] += line["dropped"]
    told = [line for line in lines if line["event"] != "telemetry.dropped" and "part" not in line]
    assert set(lost) == {("record", f"JsonLog: OSError: [Errno {number}] {os.strerror(number)}") for number in ERRORS}
    assert len(told) + lost.total() == said["told"]
    assert torn <= 3  # where there was room for the beginning of a line
    begun = [line["part"] for line in lines if line["event"] == "log.opened" and "part" in line]
    assert begun == [2, 3]
    assert done.stderr.splitlines()[-1] == f"soltrace: lost {said['told at last']} x record: JsonLog: no answer in time"
    once = [line.partition(": JsonLog")[2] for line in done.stderr.splitlines()[:-1] if "lost" in line]
    assert len(once) <= 2 * len(ERRORS)  # at once, and what followed it at the end
    assert ended - said["ends"] < EXIT_TIMEOUT_S + 3.0


@pytest.mark.programs
def test_a_log_that_cannot_be_opened_for_long_is_waited_for_a_while(tmp_path, faults):
    """Then the run has none, and says so. The process ends though the file system still does not answer."""
    library, environment = faults
    (tmp_path / "control").write_bytes(struct.pack("4i", 0, 0, 1, 0))
    program = """
import sys, soltrace
from soltrace.setup import logs
logs.ANSWER_S = 0.5
soltrace.configure(directory=sys.argv[1], attributes={"a": 1})
with soltrace.experiment("nothing"):
    pass
"""
    done = subprocess.run(
        [sys.executable, "-c", program, tmp_path / "logs"],
        env=environment | {"LD_PRELOAD": str(library)},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0
    assert "SoltraceWarning: no JSON log: " in done.stderr
    assert list((tmp_path / "logs").glob("*")) == []  # which may not even be there


def written(logs):
    """The lines of all files, in order, and how many are torn."""
    lines, torn = [], 0
    for log in sorted(logs.glob("*.jsonl"), key=lambda path: path.stat().st_mtime_ns):
        for line in log.read_bytes().splitlines():
            try:
                lines.append(json.loads(line))
            except json.JSONDecodeError:
                torn += 1
    return lines, torn
