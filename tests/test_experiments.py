import asyncio
import contextvars
import copy
import json
import multiprocessing
import os
import pickle
import re
import subprocess
import sys
import threading
from contextlib import ExitStack
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pytest
import structlog
from opentelemetry import trace
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.trace import StatusCode

from soltrace import AttributeValueError, ExperimentError, add_context, configure, experiment, host, shutdown
from soltrace.host.process import PROCESS
from soltrace.sinks.spans import Spans
from soltrace.testing import TickingClock, capture
from soltrace.wire.records import ExperimentEnded, ExperimentStarted


def on_another_thread(function):
    """Call it there."""
    thread = threading.Thread(target=function)
    thread.start()
    thread.join(10)


def named(events):
    """Events and the experiments that they belong to."""
    return [(event["event"], event["experiment"]) for event in events]


def test_an_experiment_starts_and_ends_around_its_passes(program):
    """Whole records; its attributes stand on everything in it, and on nothing after it."""
    with capture(attributes={"host": "a"}) as told:
        with experiment("fit", seed=3, lr=1e-3) as fit:
            assert (fit.name, fit.attributes) == ("fit", {"seed": 3, "lr": 1e-3})
            program.solve()
        program.start()
        started, *passes, ended, after = told.records
    common = {"run_id": "run", "experiment": "fit", "attributes": {"host": "a", "seed": 3, "lr": 1e-3}}
    moment = lambda millisecond: datetime(2026, 1, 1, 0, 0, 0, millisecond * 1000, UTC)
    assert started == ExperimentStarted(timestamp=moment(1), **common)
    assert [(record.experiment, record.attributes) for record in passes] == [("fit", common["attributes"])] * 3
    assert ended == ExperimentEnded(timestamp=moment(13), **common, status="ok", duration_s=12e-3)
    assert (after.experiment, after.attributes) == (None, {"host": "a"})


@pytest.mark.parametrize("copied", [copy.copy, copy.deepcopy, lambda fit: pickle.loads(pickle.dumps(fit))])
def test_a_copy_of_an_open_experiment_has_not_begun(copied, program):
    """As of any object that a program hands to its workers, or writes down with its state."""
    with capture() as told:
        with experiment("fit", seed=3) as fit:
            again = copied(fit)
            program.solve()
        with again:
            program.solve()
        ended = [event for event in told.events() if event["event"] == "experiment.ended"]
    assert [(event["experiment"], event["attributes"]) for event in ended] == [("fit", {"seed": 3})] * 2


def test_an_inner_experiment_inherits(program):
    """It is called by both names, its own attributes win, and then the outer one is current again."""
    with capture() as told, experiment("outer", seed=3, lr=0.1):
        with experiment("inner", lr=0.2):
            program.start()
            program.end(1)
        program.solve()
        events = told.events()
    assert [(event["event"], event["experiment"], event["attributes"]) for event in events] == [
        ("experiment.started", "outer", {"seed": 3, "lr": 0.1}),
        ("experiment.started", "outer/inner", {"seed": 3, "lr": 0.2}),
        ("pass.started", "outer/inner", {"seed": 3, "lr": 0.2}),
        ("pass.ended", "outer/inner", {"seed": 3, "lr": 0.2}),
        ("experiment.ended", "outer/inner", {"seed": 3, "lr": 0.2}),
        ("pass.started", "outer", {"seed": 3, "lr": 0.1}),
        ("pass.progress", "outer", {"seed": 3, "lr": 0.1}),
        ("pass.ended", "outer", {"seed": 3, "lr": 0.1}),
    ]


def test_leaving_waits_for_the_passes_that_are_open(program, elsewhere):
    """They end on threads of their own, and the experiment ends after them."""
    with capture() as told:
        with experiment("fit"):
            threading.Timer(0.05, program.end, args=(elsewhere(program.start),)).start()
        events = told.events()
    assert [event["event"] for event in events] == [
        "experiment.started",
        "pass.started",
        "pass.ended",
        "experiment.ended",
    ]
    assert events[2]["status"] == "ok"


def test_programs_still_under_way_are_waited_for(program, monkeypatch):
    """The traced room knows how: what it tells meanwhile belongs to the experiment."""
    monkeypatch.setattr(PROCESS.shared, "barriers", [])
    host.register_barrier(program.solve)
    with capture() as told:
        with experiment("fit"):
            pass
        PROCESS.shared.barriers.clear()
        assert named(told.events()) == [
            ("experiment.started", "fit"),
            ("pass.started", "fit"),
            ("pass.progress", "fit"),
            ("pass.ended", "fit"),
            ("experiment.ended", "fit"),
        ]


def test_a_pass_whose_end_is_lost_is_abandoned(program, elsewhere):
    """Leaving does not wait for ever."""
    with capture(abandon_after_s=0.0) as told:
        with experiment("fit"):
            elsewhere(program.start)
        ends = [event for event in told.events() if event["event"].endswith(".ended")]
    assert [(event["event"], event["status"], event.get("result")) for event in ends] == [
        ("pass.ended", "error", "abandoned"),
        ("experiment.ended", "ok", None),
    ]


def fails(program):
    """Start a solve, and never end it."""
    program.start()
    raise ZeroDivisionError("division by zero")


def test_an_exception_leaves_at_once_and_is_told(program, monkeypatch):
    """It goes on to whoever catches it; the experiment ended badly, and so did what was open."""
    monkeypatch.setattr("soltrace.experiments.PATIENCE_AFTER_AN_ERROR_S", 0.01)
    with capture() as told:
        with pytest.raises(ZeroDivisionError), experiment("fit"):
            fails(program)
        ends = [event for event in told.events() if event["event"].endswith(".ended")]
    assert [(event["event"], event["status"], event["level"], event.get("error")) for event in ends] == [
        ("pass.ended", "error", "error", None),
        ("experiment.ended", "error", "error", "ZeroDivisionError: division by zero"),
    ]


def test_a_script_that_exits_cleanly_has_not_failed():
    """`sys.exit()` inside an experiment is an end like another; with a code it is not."""
    with capture() as told:
        for code in (0, 3):
            with pytest.raises(SystemExit), experiment("fit"):
                sys.exit(code)
        statuses = [event["status"] for event in told.events() if event["event"] == "experiment.ended"]
    assert statuses == ["ok", "error"]


def test_each_call_of_a_decorated_function_is_an_experiment(program):
    """Also one inside another; the function stays what it is."""

    @experiment("fit", seed=3)
    def fit(depth):
        """Fits."""
        return fit(depth - 1) + 1 if depth else 0

    with capture() as told:
        assert fit(1) == 1
        assert fit(0) == 0
        events = named(told.events())
    assert (fit.__name__, fit.__doc__) == ("fit", "Fits.")
    assert events == [
        ("experiment.started", "fit"),
        ("experiment.started", "fit/fit"),
        ("experiment.ended", "fit/fit"),
        ("experiment.ended", "fit"),
        ("experiment.started", "fit"),
        ("experiment.ended", "fit"),
    ]


def test_a_coroutine_is_an_experiment_while_it_runs():
    """Not only while it is made."""

    @experiment("fit")
    async def fit():
        await asyncio.sleep(0)
        return PROCESS.recorder.callers.experiment

    with capture():
        assert asyncio.run(fit()) == "fit"


def test_a_generator_is_refused():
    """Its body runs when nobody knows."""
    with pytest.raises(ExperimentError, match="is a generator: open the experiment inside it"):

        @experiment("fit")
        def fit():
            yield


def test_an_experiment_is_open_once():
    """Again, after it was left."""
    fit = experiment("fit")
    with capture() as told:
        with fit, pytest.raises(ExperimentError, match="'fit' is open already"):
            fit.__enter__()
        with fit:
            pass
        assert [name for name, _ in named(told.events())] == ["experiment.started", "experiment.ended"] * 2
    with pytest.raises(ExperimentError, match="'fit' is not open"):
        _ = fit.token


@pytest.mark.parametrize("name", ["", None, 3], ids=str)
def test_a_name_is_a_string(name):
    """And says something."""
    with pytest.raises(ExperimentError, match="must be a non-empty string, got"):
        experiment(name)


def test_attributes_are_made_plain_at_once():
    """numpy's values too, those that are not finite, and names that are no identifiers."""
    fit = experiment(
        "fit",
        attributes={"opt.lr": np.float32(1e-3), "n": 1},
        n=np.int64(2),
        ok=np.bool_(True),
        bad=float("nan"),
        worse=[1, float("-inf")],
        sizes=np.array([3, 4]),
        text=np.str_("a"),
        name="x",
    )
    assert fit.attributes == {
        "opt.lr": 1e-3,
        "n": 2,
        "ok": True,
        "bad": "NaN",
        "worse": [1, "-Infinity"],
        "sizes": [3, 4],
        "text": "a",
        "name": "x",
    }
    assert {key: type(value) for key, value in fit.attributes.items() if key in ("n", "ok", "text", "opt.lr")} == {
        "opt.lr": float,
        "n": int,
        "ok": bool,
        "text": str,
    }


@pytest.mark.parametrize(
    "value",
    [object(), [object()], {"b": object()}, iter([1])],
    ids=["object", "list of objects", "table of objects", "iterator"],
)
def test_other_attributes_are_refused_at_once(value):
    """Not when the solve ends."""
    with pytest.raises(AttributeValueError, match=r"Attribute 'a(\.b)?' must be a bool, int, float or str"):
        experiment("fit", a=value)


class UnreadableError(Exception):
    """An exception whose message can't be read."""

    def __str__(self) -> str:
        raise KeyError("no")


def fail_deep(names, error):
    """Raise inside experiments within one another."""
    with ExitStack() as stack:
        for name in names:
            stack.enter_context(experiment(name))
        raise error


def test_names_and_errors_are_bounded_and_text(program):
    """However deep experiments nest, and whatever an exception says."""
    with capture() as told, pytest.raises(ValueError, match="x"):
        fail_deep(["half \ud83d", "a" * 1000, *"bcde" * 250], ValueError("x" * 10_000))
    names = [event["experiment"] for event in told.events() if event["event"] == "experiment.started"]
    second = rf"half \ud83d/{'a' * 256}… (1000 characters)"
    assert names[:3] == [r"half \ud83d", second, f"{second}/b"]
    assert max(map(len, names)) < 1100
    assert told.events()[-1]["error"] == f"ValueError: {'x' * 4084}… (10012 characters)"


def test_an_exception_that_can_not_be_read_ends_the_span(exported):
    """With what is known of it."""
    provider, spans = exported
    with capture(tracing=Spans(provider)), pytest.raises(UnreadableError):
        fail_deep(["fit"], UnreadableError())
    [event] = spans()["fit"].events
    assert (event.name, event.attributes["exception.type"]) == ("exception", f"{__name__}.UnreadableError")
    assert event.attributes["exception.message"] == "its message could not be read: KeyError"
    assert "in fail_deep" in event.attributes["exception.stacktrace"]


def test_experiments_on_threads_do_not_mix(program):
    """Each is inside the main thread's and not inside the other; what names its experiment belongs to it."""
    with capture() as told, experiment("sweep"):
        barrier, seen = threading.Barrier(2), {}

        def run(name):
            with experiment(name) as own:
                barrier.wait(10)
                seen[name] = add_context(None, "info", {"event": "hello"})["experiment"]
                program.solve(place=host.callers_place())
                program.solve(token=own.token)
                barrier.wait(10)

        threads = [threading.Thread(target=run, args=(name,)) for name in ("a", "b")]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(30)
        started = [experiment for name, experiment in named(told.events()) if name == "pass.started"]
    assert seen == {"a": "sweep/a", "b": "sweep/b"}
    assert sorted(started) == ["sweep/a", "sweep/a", "sweep/b", "sweep/b"]


def test_left_on_another_thread(program):
    """Nothing breaks: an experiment object may travel."""
    with capture() as told:
        fit = experiment("fit").__enter__()
        thread = threading.Thread(target=fit.__exit__, args=(None, None, None))
        thread.start()
        thread.join(10)
        program.start()
        assert named(told.events())[-2:] == [("experiment.ended", "fit"), ("pass.started", None)]


def test_disabled_it_does_nothing(tmp_path, monkeypatch):
    """No file, no thread, and the work inside is done."""
    monkeypatch.chdir(tmp_path)
    configure(enabled=False)
    with experiment("fit") as fit:
        assert fit.token == 0
        assert host.callers_place() is None
        assert add_context(None, "info", {"event": "hello"}) == {"event": "hello"}
    assert list(tmp_path.iterdir()) == []
    assert PROCESS.recorder is None


def test_configured_anew_inside_an_experiment(tmp_path, program):
    """What follows goes to the new log, the end of the experiment too."""
    configure(directory=tmp_path / "old", spans=False)
    with experiment("fit", seed=3):
        configure(directory=tmp_path / "new", spans=False)
        program.solve()
    shutdown()
    events = lambda name: [
        line.partition('"event":"')[2].partition('"')[0]
        for path in (tmp_path / name).iterdir()
        for line in path.read_text().splitlines()
        if '"experiment":"fit"' in line or "log.opened" in line
    ]
    assert events("old") == ["log.opened", "experiment.started"]
    assert events("new") == ["log.opened", "pass.started", "pass.progress", "pass.ended", "experiment.ended"]


@pytest.fixture
def exported():
    """A provider, and a look at what it exported, by name."""
    exporter = InMemorySpanExporter()
    provider = TracerProvider()
    provider.add_span_processor(SimpleSpanProcessor(exporter))
    yield provider, lambda: {span.name: span for span in exporter.get_finished_spans()}
    provider.shutdown()


def works_and_fails(tracer):
    """An experiment inside goes well, and what comes after it doesn't."""
    with experiment("inner"), tracer.start_as_current_span("work"):
        pass
    raise ValueError("no")


def test_an_experiment_is_a_root_span(exported):
    """Current inside, child of the caller's own span, ended with what the block came to."""
    provider, spans = exported
    tracer = provider.get_tracer("mine")
    with capture(tracing=Spans(provider)):
        with tracer.start_as_current_span("mine"), pytest.raises(ValueError, match="no"), experiment("outer"):
            works_and_fails(tracer)
        assert not trace.get_current_span().get_span_context().is_valid
    ended = spans()
    parents = {name: span.parent and span.parent.span_id for name, span in ended.items()}
    ids = {name: span.context.span_id for name, span in ended.items()}
    assert parents == {"mine": None, "outer": ids["mine"], "inner": ids["outer"], "work": ids["inner"]}
    outer = ended["outer"]
    assert (outer.status.status_code, outer.status.description) == (StatusCode.ERROR, "ValueError: no")
    assert [event.name for event in outer.events] == ["exception"]
    assert ended["inner"].status.status_code is StatusCode.UNSET
    assert ended["inner"].attributes["soltrace.experiment.name"] == "outer/inner"


def test_an_experiment_on_a_thread_without_a_span_is_a_child_of_the_one_around_it(exported):
    """The process knows which that is, though the thread does not."""
    provider, spans = exported
    with capture(tracing=Spans(provider)), experiment("outer"):

        def run():
            with experiment("inner"):
                pass

        thread = threading.Thread(target=run)
        thread.start()
        thread.join(10)
    ended = spans()
    assert ended["inner"].parent.span_id == ended["outer"].context.span_id


def test_add_context_names_the_experiment_on_your_own_lines(exported):
    """Through structlog; what you say yourself stays; the ids are those of the innermost span."""
    provider, spans = exported
    written = structlog.testing.LogCapture()
    log = structlog.wrap_logger(None, processors=[add_context, written])
    log.info("before")
    with capture(tracing=Spans(provider)):
        log.info("outside")
        with experiment("fit", seed=3):
            log.info("inside", run_id="mine")
            with provider.get_tracer("mine").start_as_current_span("work"):
                log.info("deeper")
    ids = {
        name: {
            "trace_id": trace.format_trace_id(span.context.trace_id),
            "span_id": trace.format_span_id(span.context.span_id),
        }
        for name, span in spans().items()
    }
    fit = {"experiment": "fit", "attributes": {"seed": 3}}
    assert written.entries == [
        {"event": "before", "log_level": "info"},
        {"event": "outside", "log_level": "info", "run_id": "run"},
        {"event": "inside", "log_level": "info", "run_id": "mine", **fit, **ids["fit"]},
        {"event": "deeper", "log_level": "info", "run_id": "run", **fit, **ids["work"]},
    ]


def test_leaving_in_the_child_of_a_fork_is_harmless(tmp_path):
    """The child has not entered it, and does not wait for a pass that is its parent's."""
    program = """
import os, sys
import numpy as np
import soltrace
from soltrace import host
from soltrace.host import Signal
soltrace.configure(directory=sys.argv[1])
info = host.SolveInfo(solver="Tsit5", adjoint="Direct", controller="PID")
with soltrace.experiment("fit"):
    start = host.receive(Signal.FORWARD_START, info, np.array([0, 1, 0], np.int32), np.array([0, 1, 1, 0, 0.0]))
    child = os.fork()
    if child:
        assert os.waitpid(child, 0)[1] == 0
        host.receive(Signal.FORWARD_END, info, np.array([start[0], 3, 2, 0], np.int32), np.array([1.0]))
"""
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", program, str(tmp_path)],
        capture_output=True,
        text=True,
        timeout=20,
        check=False,
    )
    assert (done.returncode, done.stderr) == (0, "")
    (log,) = tmp_path.iterdir()
    events = [line.partition('"event":"')[2].partition('"')[0] for line in log.read_text().splitlines()]
    assert events == ["log.opened", "experiment.started", "pass.started", "pass.ended", "experiment.ended"]


def test_experiments_that_overlap_leave_nothing_behind(exported, caplog):
    """Left in the order in which they were entered: what is over is current for nobody."""
    provider, spans = exported
    with capture(tracing=Spans(provider)) as told:
        first, second = experiment("first"), experiment("second")
        first.__enter__()
        second.__enter__()
        first.__exit__(None, None, None)
        assert trace.get_current_span().name == "second"
        second.__exit__(None, None, None)
        assert not trace.get_current_span().get_span_context().is_valid
        with experiment("third"):
            pass
        assert [name for _, name in named(told.events())][-2:] == ["third", "third"]
    assert spans()["third"].parent is None
    assert caplog.records == []


@pytest.mark.parametrize("close", [lambda close: contextvars.Context().run(close), on_another_thread])
def test_a_generator_may_be_closed_from_elsewhere(close, exported, caplog):
    """That is no error, nothing is said of it, and what comes after is not inside."""
    provider, spans = exported

    def trials():
        with experiment("trial"):
            yield

    with capture(tracing=Spans(provider)) as told:
        trial = trials()
        next(trial)
        close(trial.close)
        with experiment("after"):
            pass
        ended = [(event["experiment"], event["status"]) for event in told.events() if "status" in event]
    assert ended == [("trial", "ok"), ("after", "ok")]
    assert spans()["after"].parent is None
    assert caplog.records == []


def test_tasks_beside_one_another_do_not_inherit(exported):
    """Neither names nor attributes nor parents; a task that was made inside does."""
    provider, spans = exported

    async def inner():
        with experiment("inner"):
            await asyncio.sleep(0)

    async def task(name):
        with experiment(name, **{name: 1}):
            await asyncio.sleep(0.01)
            await asyncio.create_task(inner())

    async def main():
        await asyncio.gather(task("a"), task("b"))

    with capture(tracing=Spans(provider)) as told:
        asyncio.run(main())
        ended = sorted(
            (record.experiment, record.attributes) for record in told.records if "Ended" in repr(type(record))
        )
    assert ended == [("a", {"a": 1}), ("a/inner", {"a": 1}), ("b", {"b": 1}), ("b/inner", {"b": 1})]
    assert spans()["a"].parent is None
    assert spans()["b"].parent is None


def test_ctrl_c_while_an_experiment_is_left_ends_it(program, elsewhere):
    """Whoever waits for its passes has waited long enough: they are given up, and the next one is not inside it."""

    class InterruptedClock(TickingClock):
        def wait(self, condition, timeout_s):
            raise KeyboardInterrupt

    with capture(clock=InterruptedClock()) as told:
        with pytest.raises(KeyboardInterrupt), experiment("first"):
            elsewhere(program.start)
        with experiment("second"):
            pass
        events = told.events()
    ended = [(e["experiment"], e["event"], e["status"]) for e in events if e["event"].endswith(".ended")]
    assert ended == [
        ("first", "pass.ended", "error"),
        ("first", "experiment.ended", "error"),
        ("second", "experiment.ended", "ok"),
    ]
    assert [event["reason"] for event in events if event["event"] == "telemetry.dropped"] == ["interrupted"]


POOL = """
import {package}, soltrace

def work(seed):
    with soltrace.experiment("work", seed=seed), soltrace.experiment("inside"):
        return seed

if __name__ == "__main__":
    with soltrace.experiment("all"):
        for method in ("fork", "spawn"):
            with {package}.get_context(method).Pool(1) as pool:
                print(pool.map(work, [1, 2]))
"""


def copy_of_multiprocessing(name, directory):
    """Make a package of its own of it, as pathos does and celery."""
    source = Path(multiprocessing.__file__).parent
    for file in source.rglob("*.py"):
        copy = directory / name / file.relative_to(source)
        copy.parent.mkdir(parents=True, exist_ok=True)
        copy.write_text(re.sub("(?<!_)multiprocessing", name, file.read_text()))


@pytest.mark.parametrize("package", ["multiprocessing", "multiprocess"])
def test_what_a_pools_worker_has_ended_is_in_its_log(package, tmp_path):
    """The pool terminates it as soon as it has its results. What it tells is in the trace of who has started it."""
    if package != "multiprocessing":
        copy_of_multiprocessing(package, tmp_path)
    (tmp_path / "pool.py").write_text(POOL.format(package=package))
    path = os.pathsep.join(filter(None, [str(tmp_path), os.environ.get("PYTHONPATH")]))
    environ = os.environ | {"SOLTRACE_DIR": str(tmp_path), "PYTHONPATH": path}
    command = [sys.executable, "-W", "ignore::DeprecationWarning", tmp_path / "pool.py"]  # of forks, from 3.12 on
    done = subprocess.run(command, env=environ, capture_output=True, text=True, check=True, timeout=60)
    assert done.stdout == "[1, 2]\n[1, 2]\n"
    logs = [[json.loads(line) for line in log.read_text().splitlines()] for log in tmp_path.glob("*.jsonl")]
    told = [[line for line in log if line["event"] == "experiment.ended"] for log in logs]
    ends = [[(line["experiment"], line["attributes"]) for line in log] for log in told]
    of_a_worker = [(name, {"seed": seed}) for seed in (1, 2) for name in ("work/inside", "work")]
    assert sorted(ends, key=len) == [[("all", {})], of_a_worker, of_a_worker]
    assert len({line["trace_id"] for log in told for line in log}) == 1


FORK = """
import os, sys, warnings
{early}
warnings.simplefilter("ignore", DeprecationWarning)  # of forks in a process with threads, from Python 3.12 on
if (child := os.fork()) == 0:
    import soltrace
    with soltrace.experiment("work", seed=3), soltrace.experiment("inside"):
        pass
    os._exit(0)
print(os.waitpid(child, 0)[1])
"""


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="only Linux says it to who is imported in the child")
@pytest.mark.parametrize("early", ["", "import soltrace.experiments"], ids=["first in the child", "in the parent"])
def test_what_the_child_of_a_fork_has_ended_is_in_its_log(early, tmp_path):
    """It leaves by `os._exit`, as celery's processes do."""
    environ = os.environ | {"SOLTRACE_DIR": str(tmp_path)}
    command = [sys.executable, "-c", FORK.format(early=early)]
    assert subprocess.run(command, env=environ, capture_output=True, text=True, check=True).stdout == "0\n"
    (log,) = tmp_path.glob("*.jsonl")
    told = [json.loads(line) for line in log.read_text().splitlines()]
    ends = [(line["experiment"], line["attributes"]) for line in told if line["event"] == "experiment.ended"]
    assert ends == [("work/inside", {"seed": 3}), ("work", {"seed": 3})]
