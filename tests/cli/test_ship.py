"""`soltrace ship`: nothing is lost and nothing is sent twice, whoever is killed when."""

import fcntl
import gzip
import importlib.util
import os
import re
import signal
import subprocess
from codecs import BOM_UTF8
from pathlib import Path

import pytest

from soltrace.reading.files.source import Source
from soltrace.reading.parse import Rejected

_spec = importlib.util.spec_from_file_location("collector", Path(__file__).parents[1] / "shipping" / "conftest.py")
_collector = importlib.util.module_from_spec(_spec)
_spec.loader.exec_module(_collector)

SENT = re.compile(r"soltrace: sent (.*) in \d+\.\d s")
PASSES = 1500
KILLS = 5


@pytest.fixture
def collector():
    """A collector, up."""
    collector = _collector.Collector()
    yield collector
    collector.close()


def a_log(path, log, passes):
    """Write a log of so many passes, each of three lines; no SDK has given it ids."""
    log.append(
        path,
        *(
            record
            for number in range(passes)
            for known in [{"pass_id": f"{path.stem}.{number}.forward", "solve_id": f"{path.stem}.{number}"}]
            for record in (
                log.started(3 * number, **known),
                log.progress(3 * number + 1, progress=0.5, step=7, **known),
                log.ended(3 * number + 2, **known),
            )
        ),
    )


def said(result):
    """The status, and what was sent; whatever else is said is not expected."""
    status, out, err = result
    return status, out, [SENT.sub(r"sent \1", line) for line in err]


def test_what_nobody_took_is_shipped_once(soltrace, collector, log, tmp_path):
    """A second call sends the rest; a collector that is not up, or refuses, loses nothing."""
    path = tmp_path / "soltrace-runs" / "run.jsonl"
    path.parent.mkdir()
    a_log(path, log, 4)
    a_log(path.with_name("sent.exported.jsonl"), log, 1)
    left_out = (
        "soltrace ship: 1 x *.exported.jsonl left out, whose runs sent them themselves: give their names to ship them"
    )
    to = ("--endpoint", collector.address)
    nowhere = ("--endpoint", "http://127.0.0.1:9", "--patience", "0")

    refused = "soltrace ship: http://127.0.0.1:9 does not take logs: [Errno 111] Connection refused"
    nothing = "sent 0 log records and 0 spans of 1 log"
    assert said(soltrace.run("ship", *nowhere)) == (1, [], [left_out, refused, nothing])
    collector.answers = [503, 429]
    assert said(soltrace.run("ship", *to)) == (0, [], [left_out, "sent 12 log records and 4 spans of 1 log"])
    assert said(soltrace.run("ship", *to)) == (0, [], [left_out, nothing])
    log.append(path, b"{torn\n", log.compiled(99))
    assert said(soltrace.run("ship", path, *to)) == (
        0,
        [],
        ["sent 1 log record and 0 spans of 1 log", "soltrace ship: 1 line skipped: no records of soltrace's"],
    )
    collector.answers = [400]
    log.append(path, log.compiled(100))
    assert said(soltrace.run("ship", path, *to)) == (
        1,
        [],
        [f"soltrace ship: {collector.address} refuses logs: 400", nothing],
    )
    assert said(soltrace.run("ship", path, *to))[2][0] == "sent 1 log record and 0 spans of 1 log"
    assert (len(collector.log_records), len(collector.spans)) == (14, 4)


def test_a_log_is_known_under_any_name(soltrace, collector, log, tmp_path):
    """Renamed, compressed, in another directory: what was sent of it is not sent again."""
    path, state = tmp_path / "run.jsonl", tmp_path / "state"
    state.mkdir()
    log.append(path, log.opened(0), log.started(1), log.ended(2))
    to = ("--endpoint", collector.address, "--state", state)
    assert said(soltrace.run("ship", path, *to)) == (0, [], ["sent 3 log records and 1 span of 1 log"])
    log.append(path, log.started(3, pass_id="x"), log.ended(4, pass_id="x"))
    (tmp_path / "moved").mkdir()
    with gzip.open(tmp_path / "moved" / "other.jsonl.gz", "wb") as file:
        file.write(path.read_bytes())
    assert said(soltrace.run("ship", "moved", *to)) == (0, [], ["sent 2 log records and 1 span of 1 log"])
    assert said(soltrace.run("ship", path, *to)) == (0, [], ["sent 0 log records and 0 spans of 1 log"])


def test_one_signal_alone(soltrace, collector, log, tmp_path):
    """To a backend that takes no other; the other one can follow."""
    a_log(tmp_path / "run.jsonl", log, 4)
    for only, sent in (("traces", "0 log records and 4 spans"), ("logs", "12 log records and 0 spans")):
        for sent_now in (sent, "0 log records and 0 spans"):
            done = soltrace.run("ship", tmp_path, "--endpoint", collector.address, "--only", only)
            assert said(done) == (0, [], [f"sent {sent_now} of 1 log"])
    assert (len(collector.record_ids), len(collector.span_ids)) == (12, 4)


def test_where_to(soltrace, log, tmp_path):
    """What can't be done is said at once."""
    log.append(tmp_path / "run.jsonl", log.started(0))
    for options, problem in {
        (): "needs --endpoint URL, or OTEL_EXPORTER_OTLP_ENDPOINT",
        ("--endpoint", "collector:4318"): "--endpoint must begin with http:// or https://, got 'collector:4318'",
        ("--endpoint", "http://collector:4317"): "port 4317 is gRPC's: give that for HTTP, which is 4318",
        ("--endpoint", "http://c", "--state", "x"): "--state must be a directory that can be written, got x",
        (
            "--endpoint",
            "http://c",
            "--all",
            "--follow",
        ): "--all is for runs that are over, --follow for those that are not",
    }.items():
        assert soltrace.run("ship", "run.jsonl", *options) == (2, [], [f"soltrace ship: {problem}"])


def lines_of(log, first, last, *, opened=True):
    """The lines of a log: its first one, and passes of three lines each."""
    records = [log.opened(0)] if opened else []
    for number in range(first, last):
        known = {"pass_id": f"r1.{number}.forward", "solve_id": f"r1.{number}"}
        half = log.progress(3 * number + 1, progress=0.5, step=7, **known)
        records += [log.started(3 * number, **known), half, log.ended(3 * number + 2, **known)]
    return [log.line(record) for record in records]


LINES = lines_of(importlib.import_module("tests.cli.conftest")._samples.Log(), 0, 4)
WHOLE = b"".join(LINES)
SKIPPED = "soltrace ship: 1 line skipped: no records of soltrace's"
UNFINISHED = "soltrace ship: 1 line without an end: shipped once it has one"


@pytest.mark.parametrize(
    "damaged,sent,also,mended",
    [
        (WHOLE[:-40], "12 and 3", [UNFINISHED], "1 and 1"),
        (WHOLE[:-1], "13 and 4", [], "0 and 0"),
        (b"".join([*LINES[:5], LINES[5][:50], *LINES[6:]]), "12 and 4", [SKIPPED], "13 and 4"),
        (b"".join([*LINES[:5], b"\0" * 4096, *LINES[5:]]), "13 and 4", [SKIPPED], "0 and 0"),
        (b"".join([*LINES[:5], b"\0" * 4096]), "5 and 1", [UNFINISHED], "8 and 3"),
        (BOM_UTF8 + WHOLE, "13 and 4", [], "0 and 0"),
        (WHOLE.replace(b"\n", b"\r\n"), "13 and 4", [], "0 and 0"),
    ],
    ids=["torn", "without a newline", "cut in the middle", "zeros", "zeros at the end", "BOM", "CRLF"],
)
def test_what_is_whole_in_a_damaged_log_arrives_once(soltrace, collector, damaged, sent, also, mended, tmp_path):
    """What is not is counted. If it is mended, the rest arrives; where lines are others, their batch comes again."""
    path = tmp_path / "run.jsonl"
    path.write_bytes(damaged)
    to = ("ship", path, "--endpoint", collector.address)
    assert sums(soltrace.run(*to)) == (0, [], [f"sent {sent} of 1", *also])
    assert sums(soltrace.run(*to)) == (0, [], ["sent 0 and 0 of 1", *also])
    path.write_bytes(WHOLE)
    assert sums(soltrace.run(*to))[2][0] == f"sent {mended} of 1"
    assert (len(collector.record_ids), len(collector.span_ids)) == (13, 4)
    assert max(collector.record_ids.values()) == (2 if mended == "13 and 4" else 1)


def sums(result):
    """The same as `said`, in short."""
    status, out, err = said(result)
    return status, out, [re.sub(r" log records?| spans?| logs?", "", line) for line in err]


def test_a_torn_line_is_over_when_its_run_is(soltrace, collector, tmp_path):
    """It is not waited for, and is counted."""
    (tmp_path / "run.jsonl").write_bytes(WHOLE[:-40])
    done = soltrace.run("ship", "run.jsonl", "--endpoint", collector.address, "--all")
    assert said(done) == (0, [], ["sent 12 log records and 4 spans of 1 log", SKIPPED])


@pytest.mark.parametrize("seen", [True, False], ids=["seen meanwhile", "not seen"])
def test_a_log_that_is_cut_and_written_on_is_shipped_to_its_end(soltrace, collector, log, seen, tmp_path):
    """Once, if the cut was seen; else with the lines of the batch that it is in, by the same ids."""
    path, to = tmp_path / "run.jsonl", ("ship", "run.jsonl", "--endpoint", collector.address)
    path.write_bytes(WHOLE)
    assert sums(soltrace.run(*to))[2] == ["sent 13 and 4 of 1"]
    path.write_bytes(b"".join(LINES[:7]))
    if seen:
        assert sums(soltrace.run(*to)) == (0, [], ["sent 0 and 0 of 1"])
    log.append(path, *lines_of(log, 5, 9, opened=False))
    again = "soltrace ship: 1 cut since it was shipped, and written on: read again"
    first = "sent 12 and 4 of 1" if seen else "sent 19 and 6 of 1"
    assert sums(soltrace.run(*to)) == (0, [], [first, again])
    assert sums(soltrace.run(*to)) == (0, [], ["sent 0 and 0 of 1"])
    assert (len(collector.record_ids), len(collector.span_ids)) == (25, 8)
    twice = sum(count - 1 for count in collector.record_ids.values())
    assert twice == (0 if seen else 7)


@pytest.mark.parametrize("end,left_out", [(b"", True), (b"12345678", False)], ids=["cut", "a wrong checksum"])
def test_a_compressed_log_that_is_damaged_is_no_success(soltrace, collector, log, end, left_out, tmp_path):
    """What can be read of it arrives, and the rest once it is whole."""
    lines, path = lines_of(log, 0, 1000), tmp_path / "run.jsonl.gz"
    data = gzip.compress(b"".join(lines))
    path.write_bytes((data[:-2000] if left_out else data[:-8]) + end)
    to = ("ship", path, "--endpoint", collector.address)
    status, out, err = said(soltrace.run(*to))
    damaged = f"soltrace ship: {path} is damaged: what can be read of it is shipped, and the rest is not"
    assert (status, out, err[0]) == (1, [], damaged)
    assert 1000 < len(collector.record_ids) <= len(lines) - left_out
    path.write_bytes(data)
    assert said(soltrace.run(*to))[0] == 0
    assert len(collector.record_ids) == len(collector.log_records) == len(lines)
    assert len(collector.span_ids) == len(collector.spans) == 1000


def records_read(path):
    """The lines of a file that are records, as they are read."""
    source = Source(path, 0.0)
    source.look(0.0)
    return [entry.raw for entry in source.read() if not isinstance(entry.value, Rejected)]


def test_garbage_in_a_compressed_log_sends_nothing_twice(soltrace, collector, log, tmp_path):
    """Though it has text repeated that was there before: whole lines, which are records."""
    lines, path = lines_of(log, 0, 1000), tmp_path / "run.jsonl.gz"
    data = gzip.compress(b"".join(lines))
    for place in range(len(data) // 2, len(data)):
        path.write_bytes(data[:place] + bytes([data[place] ^ 0xFF]) + data[place + 1 :])
        if len(found := records_read(path)) > len(set(found)):
            break
    assert len(found) > len(set(found)) > 1000
    assert soltrace.run("ship", path, "--endpoint", collector.address)[0] == 1
    assert len(collector.record_ids) == len(collector.log_records) == len(set(found))


def test_a_part_that_is_missing_is_said(soltrace, collector, log, tmp_path):
    """All others are shipped."""
    (tmp_path / "run.jsonl").write_bytes(b"".join(LINES[:5]))
    part = log.line(log.opened(0), part=3)
    (tmp_path / "run.part0003.jsonl").write_bytes(b"".join([part, *LINES[9:]]))
    missing = "the part of its log before this one is missing, and is not shipped"
    assert said(soltrace.run("ship", tmp_path, "--endpoint", collector.address)) == (
        1,
        [],
        [
            f"soltrace ship: {tmp_path}/run.part0003.jsonl: {missing}",
            "sent 10 log records and 3 spans of 2 logs",
            "soltrace ship: 1 part of logs missing, and not shipped",
        ],
    )


@pytest.mark.slow
@pytest.mark.once
def test_a_part_that_goes_before_it_is_shipped_is_said(soltrace, collector, logs, until, tmp_path):
    """Once, while the job is followed: what comes behind it is shipped all the same, and what was shipped may go."""
    log, first = logs("a"), tmp_path / "run.jsonl"
    part = lambda number: first.with_name(f"run.part{number:04}.jsonl")
    process = soltrace.start(
        *("ship", tmp_path, "--follow", "--patience", 1, "--endpoint", collector.address),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )
    log.append(first, log.opened(0), log.started(1, 1), log.ended(2, 1))
    log.append(part(2), log.opened(3), log.started(4, 2), log.ended(5, 2))
    assert until(lambda: len(collector.spans), lambda spans: spans == 2) == 2
    first.unlink()
    log.append(part(4), log.opened(6), log.started(7, 4), log.ended(8, 4))
    assert until(lambda: len(collector.spans), lambda spans: spans == 3) == 3
    log.append(part(5), log.opened(9), log.started(10, 5), log.ended(11, 5))
    assert until(lambda: len(collector.spans), lambda spans: spans == 4) == 4
    log.append(part(8), log.opened(12), log.started(13, 8), log.ended(14, 8))
    assert until(lambda: len(collector.spans), lambda spans: spans == 5) == 5
    # One that comes late, from a machine that was not reached for long.
    log.append(part(7), log.opened(15), log.started(16, 7), log.ended(17, 7))
    assert until(lambda: len(collector.spans), lambda spans: spans == 6) == 6
    process.send_signal(signal.SIGINT)
    _, err = process.communicate()
    missing = "the part of its log before this one is missing, and is not shipped"
    assert [SENT.sub(r"sent \1", line) for line in err.decode().splitlines()] == [
        f"soltrace ship: {part(4)}: {missing}",
        f"soltrace ship: {part(8)}: {missing}",
        "sent 18 log records and 6 spans of 1 log",
        "soltrace ship: 2 parts of logs missing, and not shipped",  # the third and the sixth
    ]


def unlocked(directory):
    """Whether nobody ships a log of a directory."""
    for path in (directory / ".shipped").iterdir():
        with path.open() as journal:
            try:
                fcntl.flock(journal, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                return False
    return True


def killed(soltrace, collector, until, runs, *, workers):
    """Kill the command, and its workers too if asked to, when the collector has a request and has not said so yet."""
    collector.answering.clear()
    process = soltrace.start(
        "ship", runs, "--jobs", 2, "--endpoint", collector.address, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    before = len(collector.requests)
    until(lambda: len(collector.requests), lambda requests: requests > before)
    children = Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text().split()
    for pid in children if workers else ():
        os.kill(int(pid), signal.SIGKILL)
    process.kill()
    assert process.wait() == -signal.SIGKILL
    collector.answering.set()
    assert until(lambda: unlocked(runs), lambda unlocked: unlocked)


@pytest.mark.slow
@pytest.mark.once
def test_killed_five_times_it_loses_nothing_and_sends_nothing_twice(soltrace, collector, logs, until, tmp_path):
    """By SIGKILL, at the worst of moments: whoever sends and notes is another process, which ends what it is at."""
    for name in ("a", "b"):
        a_log(tmp_path / f"{name}.jsonl", logs(name), PASSES)
    for _ in range(KILLS):
        killed(soltrace, collector, until, tmp_path, workers=False)
    assert soltrace.run("ship", tmp_path, "--endpoint", collector.address)[0] == 0
    assert len(collector.record_ids) == len(collector.log_records) == 2 * 3 * PASSES
    assert len(collector.span_ids) == len(collector.spans) == 2 * PASSES


@pytest.mark.slow
@pytest.mark.once
def test_killed_with_all_its_processes_it_sends_no_more_than_a_batch_again(soltrace, collector, log, until, tmp_path):
    """The same one, whose log records a backend can tell by their ids: nobody lives who knew that it had arrived."""
    a_log(tmp_path / "run.jsonl", log, PASSES)
    killed(soltrace, collector, until, tmp_path, workers=True)
    assert soltrace.run("ship", tmp_path, "--endpoint", collector.address)[0] == 0
    first, again, *others = collector.requests
    assert first == again
    collector.requests[:] = [first, *others]
    assert len(collector.record_ids) == len(collector.log_records) == 3 * PASSES
    assert len(collector.span_ids) == len(collector.spans) == PASSES


@pytest.mark.slow
@pytest.mark.once
def test_it_follows_a_job(soltrace, collector, logs, until, tmp_path):
    """What is written is sent, of logs that appear too; an interruption ends it."""
    runs = tmp_path / "runs"
    runs.mkdir()
    a_log(runs / "a.jsonl", logs("a"), 2)
    process = soltrace.start(
        "ship", runs, "--follow", "--endpoint", collector.address, stdout=subprocess.PIPE, stderr=subprocess.PIPE
    )
    assert until(lambda: len(collector.spans), lambda spans: spans == 2) == 2
    a_log(runs / "b.jsonl", logs("b"), 3)
    log = logs("a")
    log.append(runs / "a.jsonl", log.started(90, pass_id="x"), log.ended(91, pass_id="x"))
    assert until(lambda: len(collector.spans), lambda spans: spans == 6) == 6
    process.send_signal(signal.SIGINT)
    out, err = process.communicate()
    assert (process.returncode, out) == (130, b"")
    assert SENT.findall(err.decode()) == ["17 log records and 6 spans of 2 logs"]
    assert len(collector.record_ids) == len(collector.log_records) == 17


@pytest.mark.once
def test_what_was_sent_before_an_outage_counts(soltrace, collector, logs, until, tmp_path):
    """The log is read again when its collector is back; what is said in the end is what was sent."""
    log, first = logs("a"), tmp_path / "run.jsonl"
    process = soltrace.start(
        *("ship", tmp_path, "--follow", "--patience", 1, "--endpoint", collector.address),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )
    log.append(first, log.opened(0), log.started(1, 1), log.ended(2, 1))
    behind_a_gap = first.with_name("run.part0003.jsonl")
    log.append(behind_a_gap, log.opened(3), log.started(4, 2), log.ended(5, 2))
    assert until(lambda: len(collector.spans), lambda spans: spans == 2) == 2
    collector.answers += [503] * 20
    log.append(behind_a_gap, log.started(6, 3), log.ended(7, 3))
    assert [process.stderr.readline().decode() for _ in range(2)] == [
        f"soltrace ship: {behind_a_gap}: the part of its log before this one is missing, and is not shipped\n",
        f"soltrace ship: {collector.address} does not take logs: 503\n",
    ]
    collector.answers.clear()
    assert until(lambda: len(collector.spans), lambda spans: spans == 3) == 3
    process.send_signal(signal.SIGINT)
    _, err = process.communicate()
    assert [SENT.sub(r"sent \1", line) for line in err.decode().splitlines()] == [
        "sent 8 log records and 3 spans of 1 log",
        "soltrace ship: 1 part of logs missing, and not shipped",
    ]
    assert len(collector.log_records) == 8
