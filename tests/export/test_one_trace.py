"""Processes that are one trace: by variables of the environment, by a scheduler's job, by who has started them."""

import json
import signal
import subprocess
import sys

import pytest

TRACE_ID, SPAN_ID = "0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331"
TRACEPARENT = f"00-{TRACE_ID}-{SPAN_ID}-01"
SLURM = {"SLURM_JOB_ID": "18", "SLURM_ARRAY_JOB_ID": "17", "SLURM_ARRAY_TASK_ID": "1", "SLURM_CLUSTER_NAME": "big"}
FIT = "with soltrace.experiment('fit'): solve()\n"
TERMINATED = """
import os, time
soltrace.configure(flush_on_sigterm=True)
solve()
os.kill(os.getpid(), 15)
time.sleep(60)
"""
FORKING = ("-W", "ignore::DeprecationWarning")


def named(span):
    """What a span that was sent is and where, with its ids as lines have them."""
    return {
        "name": span.name,
        "trace": span.trace_id.hex(),
        "id": span.span_id.hex(),
        "above": span.parent_span_id.hex(),
    }


def sent(backend):
    """The spans that arrived, by their names."""
    return {span.name: named(span) for _, span in backend.of("traces")}


def test_the_environment_says_under_which_span_a_program_is(backend, run, lines):
    """Its experiments, and passes outside of them; baggage is there in the experiment. It has no span of its own."""
    program = """
from opentelemetry import baggage
solve()
with soltrace.experiment("fit"):
    print(dict(baggage.get_all()))
    solve()
"""
    given = {"TRACEPARENT": TRACEPARENT, "TRACESTATE": "a=1", "BAGGAGE": "user=jd"}
    done = run(program, OTEL_EXPORTER_OTLP_ENDPOINT=backend.endpoint, **given)
    assert (done.returncode, done.stdout, done.said) == (0, "{'user': 'jd'}\n", [])
    spans = [span for _, span in backend.of("traces")]
    assert {(span.trace_id.hex(), span.trace_state) for span in spans} == {(TRACE_ID, "a=1")}
    fit = sent(backend)["fit"]["id"]
    assert sorted((span.name, span.parent_span_id.hex()) for span in spans) == sorted(
        [("fit", SPAN_ID), ("diffeqsolve forward", SPAN_ID), ("diffeqsolve forward", fit)]
    )
    (opened,) = [line for line in lines() if line["event"] == "log.opened"]
    assert (opened["trace_id"], opened["parent_span_id"], "span_id" in opened) == (TRACE_ID, SPAN_ID, False)


def test_a_malformed_variable_is_one_warning(run, lines):
    """And the program goes on, in a trace of its own."""
    done = run("solve(); soltrace.shutdown(); solve()", TRACEPARENT="nonsense")
    warnings = [line for line in done.stderr.splitlines() if "SoltraceWarning" in line]
    expected = (
        "TRACEPARENT must be like 00-<32 hexadecimal digits>-<16>-01, got 'nonsense': what is malformed is left out."
    )
    assert (done.returncode, len(warnings), expected in warnings[0]) == (0, 1, True)
    assert len({line["trace_id"] for line in lines() if line["event"] == "pass.ended"}) == 2


def test_the_tasks_of_an_array_are_one_trace(backend, run, tmp_path):
    """Sent live or not: each has a span around its own, which is the child of none."""
    environ = SLURM | {"OTEL_EXPORTER_OTLP_ENDPOINT": backend.endpoint}
    assert run(FIT, **environ).returncode == 0
    live = sent(backend)
    assert run(FIT, **SLURM | {"SLURM_ARRAY_TASK_ID": "2", "SLURM_JOB_ID": "19"}).returncode == 0
    assert [live[name]["above"] for name in ("run", "fit", "diffeqsolve forward")] == [
        "",
        live["run"]["id"],
        live["fit"]["id"],
    ]
    logs = [[json.loads(line) for line in log.read_text().splitlines()] for log in tmp_path.glob("logs/*.jsonl")]
    trace_ids = {line["trace_id"] for log in logs for line in log}
    assert trace_ids == {span["trace"] for span in live.values()}
    assert len(trace_ids) == 1
    ends = [(log[0]["event"], log[-1]["event"], log[0]["span_id"] == log[-1]["span_id"]) for log in logs]
    assert ends == [("log.opened", "run.ended", True)] * 2
    told = {(line["event"], line["span_id"]) for log in logs for line in log}
    assert ("run.ended", live["run"]["id"]) in told
    assert ("experiment.ended", live["fit"]["id"]) in told


SWEEP = """
import os
task = os.environ["SLURM_ARRAY_TASK_ID"]
solve()
with soltrace.experiment(f"seed-{task}"):
    with soltrace.experiment("inner"): solve()
with soltrace.experiment("check"): solve()
"""


@pytest.mark.slow
@pytest.mark.once
@pytest.mark.parametrize(
    "given,root", [({}, ""), ({"TRACEPARENT": TRACEPARENT}, SPAN_ID)], ids=["alone", "under a span"]
)
def test_whatever_its_experiments_are_called_a_job_is_one_trace(given, root, backend, run, lines, tmp_path):
    """Those of each task, and several of one; shipped, they are what the log says. A parent that is given is one."""
    for task in ("1", "2"):
        assert run(SWEEP, **SLURM | given | {"SLURM_ARRAY_TASK_ID": task}).returncode == 0
    command = [sys.executable, "-m", "soltrace", "ship", tmp_path / "logs", "--endpoint", backend.endpoint]
    subprocess.run(command, capture_output=True, check=True)
    told = lines()
    spans = [named(span) for _, span in backend.of("traces")]
    assert sorted((span["trace"], span["id"]) for span in spans) == sorted(
        {(line["trace_id"], line["span_id"]) for line in told}
    )
    assert len({span["trace"] for span in spans}) == 1
    assert (spans[0]["trace"] == TRACE_ID) == bool(given)
    names = {span["id"]: span["name"] for span in spans} | {root: "root"}
    above = {"run": ["root"], "seed-1": ["run"], "seed-2": ["run"], "inner": ["seed-1", "seed-2"], "check": ["run"]} | {
        "diffeqsolve forward": ["check", "inner", "run"]
    }
    assert {name: sorted({names[span["above"]] for span in spans if span["name"] == name}) for name in above} == above


@pytest.mark.slow
@pytest.mark.once
@pytest.mark.parametrize(
    "environ,spans",
    [
        ({"OTEL_TRACES_SAMPLER": "parentbased_traceidratio", "OTEL_TRACES_SAMPLER_ARG": "0"}, []),
        ({"SOLTRACE_ONE_TRACE": "false"}, ["diffeqsolve forward", "fit"]),
        ({"TRACEPARENT": TRACEPARENT}, ["diffeqsolve forward", "fit", "run"]),
    ],
    ids=["not sampled", "switched off", "under another span"],
)
def test_how_a_job_is_to_be_told_is_still_asked(environ, spans, backend, run):
    """A sampler decides of the run's span as of any root, and a parent that is given is its parent."""
    done = run(FIT, OTEL_EXPORTER_OTLP_ENDPOINT=backend.endpoint, **SLURM | environ)
    assert (done.returncode, done.said, backend.spans) == (0, [], spans)
    if "run" in spans:
        assert sent(backend)["run"]["above"] == SPAN_ID


@pytest.mark.slow
@pytest.mark.once
@pytest.mark.parametrize(
    "program,error",
    [
        ("solve()", None),
        ("solve(); soltrace.shutdown(); raise ValueError('later')", None),
        ("solve(); raise ValueError('no')", "ValueError: no"),
        ("with soltrace.experiment('fit'): raise SystemExit(3)", "SystemExit: 3"),
        (TERMINATED, "SIGTERM"),
    ],
    ids=["well", "shut down", "exception", "exit", "signal"],
)
def test_the_end_of_a_run_says_why(program, error, backend, run, lines):
    """On its last line and on its span."""
    done = run(program, OTEL_EXPORTER_OTLP_ENDPOINT=backend.endpoint, **SLURM)
    assert done.returncode in {0, 1, 3, 128 + signal.SIGTERM, -signal.SIGTERM}
    *_, ended = lines()
    assert (ended["event"], ended["status"], ended.get("error")) == (
        "run.ended",
        "ok" if error is None else "error",
        error,
    )
    (span,) = [span for _, span in backend.of("traces") if span.name == "run"]
    assert (span.status.message, span.status.code) == (error or "", 0 if error is None else 2)


ALIVE = """
import glob, time
soltrace.configure(heartbeat_s=0.02)
solve()
deadline = time.monotonic() + 30
while not any("run.heartbeat" in open(log).read() for log in glob.glob("logs/*.jsonl")):
    assert time.monotonic() < deadline
    time.sleep(0.01)
"""


@pytest.mark.slow
@pytest.mark.once
def test_a_run_is_heard_of_until_its_end(run, lines):
    """Outside of any experiment too: whoever reads the log waits for its last line."""
    assert run(ALIVE, **SLURM).returncode == 0
    told = lines()
    beat = next(line for line in told if line["event"] == "run.heartbeat")
    assert (beat["experiment"], beat["doing"], beat["span_id"]) == (None, "elsewhere", told[-1]["span_id"])
    assert told[-1]["event"] == "run.ended"


@pytest.mark.slow
@pytest.mark.once
def test_a_run_names_the_one_that_it_continues(backend, run, lines):
    """The last one of the same task; not that of another task, nor one that continues it."""
    environ = SLURM | {"OTEL_EXPORTER_OTLP_ENDPOINT": backend.endpoint}
    for task, restart in [("1", "0"), ("2", "0"), ("1", "1"), ("1", "2")]:
        assert run("solve()", **environ | {"SLURM_ARRAY_TASK_ID": task, "SLURM_RESTART_COUNT": restart}).returncode == 0
    opened = [line for line in lines() if line["event"] == "log.opened"]
    by = {(line["resource"]["array_task"], line["resource"]["restart"]): line for line in opened}
    continued = {which: line["continues"] for which, line in by.items() if "continues" in line}
    assert continued == {("1", "1"): by["1", "0"]["run_id"], ("1", "2"): by["1", "1"]["run_id"]}
    said = {
        attribute.value.string_value
        for _, span in backend.of("traces")
        for attribute in span.attributes
        if attribute.key == "soltrace.continues"
    }
    assert said == set(continued.values())


@pytest.mark.slow
@pytest.mark.once
@pytest.mark.parametrize("code,status", [(3, "error"), (0, "ok")])
def test_soltrace_run_knows_how_a_program_exits(code, status, run, lines):
    """Outside of any experiment too, where a program itself can't know."""
    assert run(f"solve(); raise SystemExit({code})", "-m", "soltrace", "run", **SLURM).returncode == code
    *_, ended = lines()
    error = f"SystemExit: {code}" if code else None
    assert (ended["event"], ended["status"], ended.get("error")) == ("run.ended", status, error)


KILLED = (
    FIT
    + """
import os
soltrace.flush()
with soltrace.experiment("cut short"):
    begin()
    soltrace.flush()
    os.kill(os.getpid(), 9)
"""
)


@pytest.mark.slow
@pytest.mark.once
def test_what_a_killed_run_could_not_send_is_shipped_and_no_more(backend, run, lines, tmp_path):
    """The spans that never ended, its own among them: each other one has its parent then, and none is there twice."""
    assert run(KILLED, OTEL_EXPORTER_OTLP_ENDPOINT=backend.endpoint, **SLURM).returncode == -signal.SIGKILL
    assert backend.spans == ["diffeqsolve forward", "fit"]
    command = [sys.executable, "-m", "soltrace", "ship", tmp_path / "logs", "--endpoint", backend.endpoint, "--all"]
    for sent in ("0 log records and 3 spans", "0 log records and 0 spans"):
        done = subprocess.run(command, capture_output=True, text=True, check=True)
        assert f"soltrace: sent {sent} of 1 log" in done.stderr
    spans = [span for _, span in backend.of("traces")]
    names = {span.span_id: span.name for span in spans}
    assert len(names) == len(spans)
    assert sorted((span.name, names.get(span.parent_span_id), span.status.message) for span in spans) == [
        ("cut short", "run", "abandoned"),
        ("diffeqsolve forward", "cut short", "abandoned"),
        ("diffeqsolve forward", "fit", ""),
        ("fit", "run", ""),
        ("run", None, "abandoned"),
    ]
    assert {span.span_id.hex() for span in spans} == {line["span_id"] for line in lines() if "span_id" in line}


CHILDREN = """
import concurrent.futures, multiprocessing, os, subprocess, sys
import joblib
from tasks import work

def ways():
    for way in ("fork", "spawn", "forkserver"):
        context = multiprocessing.get_context(way)
        def process():
            child = context.Process(target=work)
            child.start()
            child.join()
        def pool():
            with context.Pool(1) as pool:
                pool.map(work, [0])
        def executor():
            with concurrent.futures.ProcessPoolExecutor(1, context) as pool:
                list(pool.map(work, [0]))
        yield from ((f"{way} {call.__name__}", call) for call in (process, pool, executor))
    yield "joblib", lambda: joblib.Parallel(2)(joblib.delayed(work)(number) for number in range(2))
    def fork():
        if (child := os.fork()) == 0:
            work()
            raise SystemExit
        os.waitpid(child, 0)
    yield "os.fork", fork
    command = [sys.executable, "-c", "import tasks; tasks.work()"]
    yield "subprocess", lambda: subprocess.run(command, env=soltrace.child_environment(), check=True)

if __name__ == "__main__":
    for name, call in ways():
        with soltrace.experiment(name):
            call()
"""


@pytest.mark.slow
@pytest.mark.once
def test_children_are_in_the_trace_of_who_has_started_them(run, lines, tmp_path):
    """Under the experiment that their parent was in then, however they are started."""
    from tests.export.conftest import SOLVE

    (tmp_path / "tasks.py").write_text(
        f"{SOLVE}\ndef work(number=0):\n    with soltrace.experiment('child'): solve()\n"
    )
    (tmp_path / "parent.py").write_text(f"import soltrace\n{CHILDREN}")
    done = run("import runpy; runpy.run_path('parent.py', run_name='__main__')", *FORKING, PYTHONWARNINGS="ignore")
    assert done.returncode == 0, done.stderr
    told = lines()
    started = {line["span_id"]: line for line in told if line["event"] == "experiment.started"}
    opened = {line["run_id"]: line for line in told if line["event"] == "log.opened"}
    children = [line for line in started.values() if line["experiment"] == "child"]
    above = [started[opened[line["run_id"]]["parent_span_id"]] for line in children]
    methods = [f"{way} {call}" for way in ("fork", "spawn", "forkserver") for call in ("process", "pool", "executor")]
    expected = sorted([*methods, "joblib", "joblib", "os.fork", "subprocess"])
    assert sorted(line["experiment"] for line in above) == expected
    assert [line["trace_id"] for line in children] == [line["trace_id"] for line in above]


@pytest.mark.slow
@pytest.mark.once
def test_the_processes_of_one_jax_program_are_one_trace(run, lines, tmp_path):
    """Each rank has a run of its own, by its number."""
    program = """
import subprocess, sys, os, socket
with socket.socket() as probe:
    probe.bind(("127.0.0.1", 0))
    port = probe.getsockname()[1]
rank = '''
import sys, jax
jax.distributed.initialize(f"127.0.0.1:{sys.argv[2]}", 2, int(sys.argv[1]))
import jax.numpy as jnp, diffrax, soltrace
term = diffrax.ODETerm(lambda t, y, args: -y)
with soltrace.experiment("fit"):
    soltrace.diffeqsolve(term, diffrax.Euler(), 0.0, 1.0, 0.5, jnp.array(1.0))
'''
ranks = [
    subprocess.Popen([sys.executable, "-c", rank, number, str(port)], env=os.environ | {"SLURM_PROCID": number})
    for number in ("0", "1")
]
print([process.wait() for process in ranks])
"""
    done = run(program, JAX_PLATFORMS="cpu", **SLURM)
    assert (done.returncode, done.stdout) == (0, "[0, 0]\n"), done.stderr
    told = [line for line in lines() if line["event"] in {"run.ended", "experiment.ended", "pass.ended"}]
    assert len({line["trace_id"] for line in told}) == 1
    assert sorted((line["event"], line["process_index"]) for line in told) == [
        (event, rank) for event in ("experiment.ended", "pass.ended", "run.ended") for rank in (0, 1)
    ]
