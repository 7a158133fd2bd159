"""`soltrace ship`: nothing is lost and nothing is sent twice, whoever is killed when."""

import fcntl
import gzip
import importlib.util
import os
import re
import signal
import subprocess
from pathlib import Path

import pytest

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
