"""One log for all processes of a node."""

import subprocess
import sys
from collections import defaultdict
from datetime import UTC, datetime

import pytest

from soltrace.reading.files.follow import Follower
from soltrace.reading.parse import Rejected
from soltrace.sinks.node_file import NodeFile
from soltrace.wire.json_line import json_line
from soltrace.wire.records import PassProgress

RECORD = PassProgress(
    timestamp=datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC),
    run_id="run",
    experiment=None,
    attributes={"p": "PADDING"},
    solve_id="s",
    pass_id="p",
    phase="forward",
    step=3,
    progress=0.25,
    t=1.0,
)
WRITERS = """
import mmap, os, random, signal, sys, time
from pathlib import Path
from soltrace.sinks.node_file import NodeFile

path, total, line = Path(sys.argv[1]), int(sys.argv[2]), sys.argv[3].encode()
acknowledged = mmap.mmap(-1, 8 * total)
chance = random.Random(1)

def write(number):
    padding = b'"' + b"x" * chance.choice([10, 1_000, 20_000]) + b'"'
    mine = line.replace(b'"run"', b'"run-%d"' % number).replace(b'"PADDING"', padding)
    file = NodeFile(path, bytes_at_most=20_000_000, introduce=lambda part: [])
    count = 0
    while True:
        lines = [mine.replace(b'"STEP"', b"%d" % (count + i)) for i in range(chance.choice([1, 5]))]
        file.write(lines)
        count += len(lines)
        acknowledged[8 * number:8 * number + 8] = count.to_bytes(8, "little")

alive, begun = {}, 0
while begun < total or alive:
    while begun < total and len(alive) < 8:
        child = os.fork()
        if child == 0:
            write(begun)
        alive[child] = begun
        begun += 1
    time.sleep(chance.expovariate(1000))
    child = chance.choice(list(alive))
    os.kill(child, signal.SIGKILL)
    os.waitpid(child, 0)
    del alive[child]
print(*(int.from_bytes(acknowledged[8 * i:8 * i + 8], "little") for i in range(total)))
"""


@pytest.mark.slow
@pytest.mark.once
def test_a_thousand_writers_killed_at_any_moment(tmp_path):
    """Eight at a time: what each has written is there, in its order, and no line is torn but the last of one killed."""
    line = json_line(RECORD).replace(b'"step":3', b'"step":"STEP"').decode()
    command = [sys.executable, "-c", WRITERS, str(tmp_path / "node.jsonl"), "1000", line]
    done = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True, timeout=300)
    acknowledged = [int(count) for count in done.stdout.split()]
    steps, torn = defaultdict(list), 0
    for entry in Follower([tmp_path / "node.jsonl"], pytest.fail).poll():
        if isinstance(entry.value, Rejected):
            torn += 1
        else:
            steps[entry.value.run_id].append(entry.value.step)
    assert len(acknowledged) == 1000
    for number, count in enumerate(acknowledged):
        found = steps[f"run-{number}"]
        assert found == list(range(len(found)))
        assert count <= len(found) <= count + 5
    assert torn <= 1000
    assert sum(acknowledged) > 1000


def test_a_line_that_somebody_has_not_ended_spoils_no_other(tmp_path):
    """Who was killed in the midst of a line leaves it; the next one begins on a line of its own."""
    files = [NodeFile(tmp_path / "node.jsonl") for _ in range(2)]
    files[0].info(b"first")
    with (tmp_path / "node.jsonl").open("ab") as killed:
        killed.write(b"tor")
    files[1].info(b"second")
    files[0].info(b"third")
    assert (tmp_path / "node.jsonl").read_bytes() == b"first\ntor\nsecond\nthird\n"
    for file in files:
        file.close()


def test_each_introduces_itself_in_a_new_part(tmp_path):
    """Also where another has begun it; what is full gets no more."""
    files = [
        NodeFile(tmp_path / "node.jsonl", bytes_at_most=10, introduce=lambda part, name=name: [b"%b%d" % (name, part)])
        for name in (b"a", b"b")
    ]
    for line in (b"12345678", b"9", b"10"):
        for file in files:
            file.info(line)
    parts = [(tmp_path / f"node{ending}.jsonl").read_bytes().split() for ending in ("", ".part0002", ".part0003")]
    assert parts == [[b"12345678", b"12345678"], [b"a2", b"9", b"b2", b"9"], [b"a3", b"10", b"b3", b"10"]]
    (tmp_path / "node.part0003.jsonl").unlink()
    files[1].info(b"11")
    files[0].info(b"12")
    assert (tmp_path / "node.part0003.jsonl").read_bytes().split() == [b"b4", b"11", b"a4", b"12"]
    for file in files:
        file.close()
