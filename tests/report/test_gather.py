"""The facts: whole, of a small log, and bounded and harmless of any."""

import gzip
from pathlib import Path

import msgspec
import pytest
from msgspec import UNSET

from soltrace import __version__
from soltrace.reading.files.follow import Follower
from soltrace.reading.parse import Rejected
from soltrace.report.ask import MAX_TEXT_CHARS, MOST_ATTRIBUTES
from soltrace.report.facts import Bar, Cause, Skipped
from soltrace.report.gather import CURVES, MOST_ROWS, NothingToReportError, gather
from soltrace.report.markdown import markdown
from soltrace.report.parquet import Converted, convert
from soltrace.report.step_facts import Curve, StepSize
from soltrace.wire.record_parts import Steps

_SHARES = ("progress_min", "progress_median", "progress_max")
EXPECTED = Path(__file__).parent / "expected" / "story.json"


def test_the_facts_of_two_runs(story, monkeypatch):
    """As JSON, every one of them."""
    monkeypatch.chdir(story)
    report = gather([Path("a.jsonl"), Path("b.jsonl")])
    text = msgspec.json.format(msgspec.json.encode(report)).decode()
    expected = EXPECTED.read_text(encoding="utf-8")
    assert text.replace(f'"soltrace": "{__version__}"', '"soltrace": "VERSION"', 1) + "\n" == expected


def test_what_is_no_record_is_counted_by_its_reason(tmp_path, log):
    """Torn, damaged, incomplete, of a later version: each is counted, and the rest is read."""
    log.append(
        tmp_path / "run.jsonl",
        log.started(0),
        b"{torn\n",
        b"\xff\xfe\n",
        b"[1]\n",
        log.line(log.ended(1), schema=99),
        log.line(log.ended(1), event="pass.paused"),
        log.line(log.ended(1)).replace(b'"duration_s":1.24', b'"duration_s":"NaN"'),
        log.line(log.ended(1)).replace(b'"status":"ok"', b'"status":"fine"'),
        log.line(log.ended(1)).replace(b'"attributes":{}', b'"attributes":[]'),
        log.line(log.started(0, 2), x="x" * (40 << 20)),
        log.line(log.started(0, 2)).replace(b'"attributes":{}', b'"attributes":' + b"[" * 1000 + b"]" * 1000),
        log.ended(2),
        log.line(log.ended(3, 4))[:-20],
    )

    report = gather([tmp_path / "run.jsonl"])

    assert (report.sources.records, report.sources.skipped.total) == (2, 11)
    assert report.sources.skipped.rows == [
        Skipped("no JSON object with an event", 4),
        Skipped("an incomplete pass.ended", 3),
        Skipped("an incomplete pass.started", 1),
        Skipped("of the unknown event pass.paused", 1),
        Skipped("of the unknown schema 99", 1),
        Skipped("too long, or in a damaged part of a compressed file", 1),
    ]


def test_what_stands_behind_damage_is_read_as_tail_reads_it(tmp_path, log):
    """Behind zeros, behind a torn line, and behind one that lacks its newline; in a whole file beside it too."""
    line = lambda step: log.line(log.progress(step, progress=0.5, step=step, steps=Steps(accepted=1, rejected=0)))[:-1]
    zeros, torn = b"\0" * 4096, line(9)[:-60]
    glued = [
        line(1),
        zeros + line(2),
        torn + line(3),
        line(4) + zeros,
        line(5) + line(6),
        zeros + torn + zeros + line(7),
    ]
    (tmp_path / "a.jsonl").write_bytes(b"\n".join([*glued, b"{}", b"", line(8)]))
    log.append(tmp_path / "b.jsonl", log.started(0))
    files = [tmp_path / "a.jsonl", tmp_path / "b.jsonl"]

    follower = Follower(files, print)
    entries = [entry.value for entry in [*follower.poll(), *follower.rest()]]
    lost = sum(isinstance(value, Rejected) for value in entries)

    sources = gather(files).sources
    assert (sources.records, sources.skipped.total) == (len(entries) - lost, lost) == (9, 5)
    assert sources.skipped.rows == [Skipped("no JSON object with an event", 5)]
    assert convert(files, tmp_path / "all.parquet") == Converted(records=9, skipped=5)


@pytest.mark.parametrize("content", [b"", b"\n\n", b"hello\n"], ids=["empty", "blank", "no record"])
def test_nothing_to_report(tmp_path, content):
    """Is said, and is no empty report."""
    (tmp_path / "run.jsonl").write_bytes(content)
    with pytest.raises(NothingToReportError, match=r"there are no lines|none of 1 lines is a record"):
        gather([tmp_path / "run.jsonl"])


def test_what_there_is_much_of_is_cut_and_counted(tmp_path, logs):
    """However many runs, experiments and passes there are, a report has its size."""
    for number in range(MOST_ROWS + 3):
        log = logs(f"r{number:03d}", f"fit{number}")
        failed = {"status": "error", "result": "nonfinite"}
        log.append(
            tmp_path / f"{number}.jsonl",
            *(log.experiment_started(0), log.started(0), log.ended(1, **failed), log.experiment_ended(2)),
        )

    report = gather(sorted(tmp_path.glob("*.jsonl")))

    cut = [report.runs, report.experiments, report.failures, report.failure_kinds, report.sources.paths]
    assert [(len(top.rows), top.total) for top in cut] == [(MOST_ROWS, MOST_ROWS + 3)] * len(cut)
    assert len(report.curves) == CURVES
    assert report.timeline.runs == MOST_ROWS + 3
    assert len({bar.run_id for bar in report.timeline.bars}) == MOST_ROWS


def test_long_strings_are_cut(tmp_path, log):
    """A name of a megabyte is one of some hundred characters in a report."""
    log.append(
        tmp_path / "run.jsonl", log.started(0, solver="x" * 1_000_000), log.ended(1, status="error", result="y" * 9999)
    )

    report = gather([tmp_path / "run.jsonl"])

    assert report.failure_kinds.rows[0].solver == "x" * (MAX_TEXT_CHARS - 1) + "…"
    assert len(msgspec.json.encode(report)) < 10_000


@pytest.mark.parametrize("depth", [2, 200, 5000])
def test_attributes_that_are_none(tmp_path, log, depth):
    """What no writer of ours writes is shown as the JSON that it is, in part, and breaks nothing."""
    nested = b'{"a":' * depth + b"1" + b"}" * depth
    lines = [log.line(record).replace(b'"attributes":{}', b'"attributes":' + nested) for record in _experiment(log)]
    log.append(tmp_path / "run.jsonl", *lines)

    report = gather([tmp_path / "run.jsonl"])

    assert (report.sources.skipped.total, len(report.experiments.rows[0].attributes)) == (0, 1)
    assert len(msgspec.json.encode(report)) < 10_000


def _experiment(log):
    return log.experiment_started(0), log.started(1), log.ended(2), log.experiment_ended(3)


def test_long_attributes_are_read_to_their_end(tmp_path, logs):
    """A list of numbers, a long text: each is cut on its own."""
    log = logs(text="x" * 1000, values=list(range(1000)), seed=3)
    log.append(tmp_path / "run.jsonl", *_experiment(log))

    (experiment,) = gather([tmp_path / "run.jsonl"]).experiments.rows

    text = "x" * (MAX_TEXT_CHARS - 1) + "…"
    assert experiment.attributes == {"text": text, "values": list(range(MOST_ATTRIBUTES)), "seed": 3}


@pytest.mark.parametrize(
    "field,value",
    [
        ("step", 2**63 - 1),
        ("steps", {"accepted": 2**63 - 1, "rejected": 66}),
        ("duration_s", 1e308),
        ("lanes", {"total": 2**62, "finished": 0, "failed": 0} | dict.fromkeys(_SHARES, 0.0)),
    ],
)
def test_a_number_that_is_too_large_costs_its_line_alone(tmp_path, log, field, value):
    """Sums of it would overflow, or be infinite. Twice, for one is no sum."""
    lines = [log.line(log.ended(1, i), **{field: value}) for i in range(2)]
    log.append(tmp_path / "run.jsonl", log.started(0, 3), *lines, log.ended(2, 3, duration_s=1.5))
    report = gather([tmp_path / "run.jsonl"])
    assert report.sources.skipped.rows == [Skipped("with a number that is too large", 2)]
    assert [(phase.passes, phase.total_s) for phase in report.phases] == [(1, 1.5)]


def test_a_compilation_that_is_too_long_costs_its_line_alone(tmp_path, log):
    """Of a program, not of a pass."""
    log.append(tmp_path / "run.jsonl", *(log.compiled(0, compile_s=s) for s in (0.5, 1e308, 1e308)))
    report = gather([tmp_path / "run.jsonl"])
    assert report.sources.skipped.rows == [Skipped("with a number that is too large", 2)]
    assert [compiled.compile_s for compiled in report.compiled.rows] == [0.5]


def test_solver_time_may_be_of_any_size(tmp_path, log):
    """It is in units of the user's. Where a step would be infinite, it is left out."""
    times = [-1.7e308, 1.7e308, 0.0, 1e-308]
    steps = [log.progress(i, progress=0.1 * i, step=i, t=t) for i, t in enumerate(times, 1)]
    log.append(tmp_path / "run.jsonl", log.started(0, t0=-1.7e308, t1=1.7e308), *steps, log.ended(9, step=9, t=1.0))
    report = gather([tmp_path / "run.jsonl"])
    assert report.sources.skipped.total == 0
    assert [size.dt for size in report.curves[0].sizes][:2] == [1.7e308, 1e-308]


def test_a_pass_without_its_start(tmp_path, log):
    """Is known by its end: a log that was cut at its beginning tells the rest."""
    log.append(tmp_path / "run.jsonl", log.ended(10, duration_s=4.0))

    (bar,) = gather([tmp_path / "run.jsonl"]).timeline.bars

    assert (bar.ended - bar.started).total_seconds() == 4.0


def test_passes_close_together_are_one_bar(tmp_path, log):
    """A bar says how many it stands for."""
    passes = [
        record for n in range(50) for record in (log.started(n / 1000, n), log.ended(n / 1000, n, duration_s=0.0))
    ]
    log.append(tmp_path / "run.jsonl", *passes, log.started(100, 99), log.ended(110, 99))

    bars = gather([tmp_path / "run.jsonl"]).timeline.bars

    moment = passes[0].timestamp
    seconds = [
        ((bar.started - moment).total_seconds(), (bar.ended - moment).total_seconds(), bar.count) for bar in bars
    ]
    assert seconds == [(0.0, 0.049, 50), (100.0, 110.0, 1)]
    assert isinstance(bars[0], Bar)


def test_step_sizes_of_a_batch_are_those_of_its_busiest_lane(tmp_path, log):
    """Time per accepted step between reports, and the share that was rejected."""
    lane = [
        log.progress(
            at, progress=at / 10, step=step, t=t, batch_index=[3], steps=Steps(accepted=step - no, rejected=no)
        )
        for at, step, t, no in ((1, 10, 5.0, 0), (2, 30, 10.0, 10))
    ]
    other = log.progress(1, progress=0.9, step=5, t=90.0, batch_index=[0], steps=Steps(accepted=5, rejected=0))
    log.append(
        tmp_path / "run.jsonl",
        log.started(0, lanes=[4]),
        *lane,
        other,
        log.ended(10, duration_s=10.0, lanes=log.lanes(4, 4)),
    )

    (curve,) = gather([tmp_path / "run.jsonl"]).curves

    assert isinstance(curve, Curve)
    assert (curve.batch_index, curve.sizes) == ([3], [StepSize(5.0, 0.5, 0.0), StepSize(10.0, 0.5, 0.5)])


def test_lanes_are_compared_by_the_pass(tmp_path, log):
    """One that was reported in four passes is not four times as slow as one that was reported in one."""
    often = [log.lane_ended(i, i, lane=[0], step=10) for i in range(1, 5)]
    log.append(tmp_path / "run.jsonl", *often, log.lane_ended(5, 5, lane=[7], step=30), log.started(6, 6, lanes=[8]))

    lanes = gather([tmp_path / "run.jsonl"]).lanes.rows

    assert [(x.batch_index, x.passes, x.steps, x.most_steps, x.relative) for x in lanes] == [
        ([7], 1, 30.0, 30, 1.5),
        ([0], 4, 10.0, 10, 0.5),
    ]


def test_a_failed_forward_pass_is_the_cause_of_its_backward_pass(tmp_path, log):
    """And where it failed in no lane of its own, it is the first cause."""
    failed = {"status": "error", "result": "nonfinite", "t": "NaN"}
    log.append(
        tmp_path / "run.jsonl",
        *(log.started(0), log.ended(1, **failed), log.started(1, 1, "backward", forward_pass_id="r1.1.forward")),
        log.ended(2, 1, "backward", **failed, steps=UNSET),
    )

    forward, backward = gather([tmp_path / "run.jsonl"]).failures.rows

    assert forward.cause is None
    assert backward.cause == Cause("forward pass", "r1.1.forward", "nonfinite", forward.at, "NaN")


def test_experiments_that_overlap_are_told_apart_by_their_attributes(tmp_path, logs):
    """Two of one name in one process, which end in the other order."""
    one, two = logs(seed=1), logs(seed=2)
    one.append(
        tmp_path / "run.jsonl",
        *(one.experiment_started(0), two.experiment_started(1), two.started(2), two.ended(3)),
        *(one.experiment_ended(5), two.experiment_ended(4, error="ValueError: no")),
    )

    rows = gather([tmp_path / "run.jsonl"]).experiments.rows

    assert [(row.attributes, row.status, row.duration_s, row.passes) for row in rows] == [
        ({"seed": 2}, "error", 4.0, 1),
        ({"seed": 1}, "ok", 5.0, 0),
    ]


def test_names_of_files_are_no_patterns(tmp_path, log):
    """A file is read under its name, whatever signs are in it, and no other is."""
    names = ["*.jsonl", "[ab].jsonl", "a?.jsonl", "o'neil.jsonl", "{a,b}.jsonl"]
    for name in names:
        log.append(tmp_path / name, log.started(0))
    for name in ("a.jsonl", "b.jsonl", "ab.jsonl"):
        log.append(tmp_path / name, log.started(0), log.started(1, 2))

    assert [gather([tmp_path / name]).sources.records for name in names] == [1] * len(names)


def test_compressed_logs(tmp_path, log):
    """Are read as they are, and a torn one as far as it goes."""
    lines = b"".join(log.line(log.started(number, number)) for number in range(5000))
    (tmp_path / "whole.jsonl.gz").write_bytes(gzip.compress(lines))
    (tmp_path / "torn.jsonl.gz").write_bytes(gzip.compress(lines)[:-5000])

    assert gather([tmp_path / "whole.jsonl.gz"]).sources.records == 5000

    sources = gather([tmp_path / "torn.jsonl.gz"]).sources
    assert 0 < sources.records < 5000
    assert sources.skipped.rows == [Skipped("no JSON object with an event", 1)]


def test_a_retry_replaces_what_was_killed_before_it(tmp_path, logs):
    """Of a job that its scheduler has begun again, nothing is open, and what it gave up has not failed."""
    job = {"scheduler": "slurm", "job": "77", "array_task": "3"}
    a, b, other = logs("a"), logs("b"), logs("c")
    a.append(tmp_path / "a.jsonl", a.opened(**job), a.experiment_started(0), a.started(0), a.started(0, 2))
    a.append(tmp_path / "a.jsonl", a.ended(1, 2, status="error", result="abandoned"))
    b.append(tmp_path / "b.jsonl", b.opened(2, **job, restart="1"), b.experiment_started(2), b.started(3), b.ended(4))
    b.append(tmp_path / "b.jsonl", b.experiment_ended(5))
    other.append(tmp_path / "c.jsonl", other.opened(**job | {"array_task": "4"}), other.started(0))
    report = gather([tmp_path / name for name in ("a.jsonl", "b.jsonl", "c.jsonl")])
    assert [(run.run_id, run.passes, run.failed, run.open) for run in report.runs.rows] == [
        ("c", 1, 0, 1),
        ("a", 2, 0, 0),
        ("b", 1, 0, 0),
    ]
    assert sorted((row.run_id, row.status) for row in report.experiments.rows) == [("a", "replaced"), ("b", "ok")]
    assert (report.failures.total, [row.run_id for row in report.open.rows]) == (0, ["c"])
    assert "replaced by a retry" in markdown(report)
