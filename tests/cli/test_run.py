"""`soltrace run`: to the program it is as if Python had been started with it, and its solves are in the log."""

import json
import os
import py_compile
import shutil
import signal
import subprocess
import sys
import time
import zipapp
import zipfile
from pathlib import Path

import pytest

PROGRAMS = Path(__file__).parents[1] / "programs"
PYTHON = [sys.executable]
RUN = [sys.executable, "-m", "soltrace", "run"]
DEADLINE_S = 120
SOLVE = """
import sys
import diffrax, jax.numpy as jnp
def solve():
    return diffrax.diffeqsolve(diffrax.ODETerm(lambda t, y, args: -y), diffrax.Heun(), 0.0, 1.0, 0.25, jnp.array(1.0))
solve()
"""


def start(command, directory, given="", **environ):
    """Run a command to its end, with nothing of OpenTelemetry's or ours in its environment but what is said."""
    inherited = {name: value for name, value in os.environ.items() if not name.startswith(("OTEL_", "SOLTRACE_"))}
    return subprocess.run(
        [str(part) for part in command],
        cwd=directory,
        env=inherited | environ,
        input=given,
        capture_output=True,
        text=True,
        timeout=DEADLINE_S,
        check=False,
    )


def outcome(done):
    """What whoever started it sees, but for the line that says where the log is."""
    said = [line for line in done.stderr.splitlines() if not line.startswith("soltrace: logging to ")]
    return done.returncode, done.stdout, said


def events(directory):
    """Everything in the logs of a directory."""
    return [json.loads(line) for log in sorted(directory.glob("*.jsonl")) for line in log.read_text().splitlines()]


def named(directory):
    """The events of passes and experiments, with the experiment and the attributes that they carry."""
    wanted = ("experiment.started", "experiment.ended", "pass.started", "pass.ended")
    lines = [line for line in events(directory) if line["event"] in wanted]
    return [(line["event"], line["experiment"], line["attributes"], line.get("status")) for line in lines]


def write(directory, text, name="solve.py"):
    path = directory / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    return path


def test_what_a_program_keeps_of_its_own_stderr(tmp_path):
    """A test that looks into stderr, such as by `capsys`, does not find our line there; who started it all does."""
    write(
        tmp_path,
        """
        from solve import solve
        def test_is_quiet(capsys):
            solve()
            assert capsys.readouterr() == ("", "")
        """.replace("\n        ", "\n"),
        "test_quiet.py",
    )
    write(tmp_path, SOLVE.removesuffix("solve()\n"))
    keeps = "import contextlib, io, solve\nwith contextlib.redirect_stderr(io.StringIO()) as kept:\n    solve.solve()\n"
    done = start([*RUN, "-c", f"{keeps}print(repr(kept.getvalue()))"], tmp_path)
    assert outcome(done) == (0, "''\n", [])
    assert done.stderr.startswith("soltrace: logging to ")
    tested = start(
        [*RUN, "-m", "pytest", "-q", "-p", "no:randomly", "-p", "no:cacheprovider", "test_quiet.py"], tmp_path
    )
    assert (tested.returncode, tested.stdout.splitlines()[-1].split(" in ")[0]) == (0, "1 passed")


def test_the_same_output_and_a_log(tmp_path):
    """Of a program with arguments of its own, options among them."""
    alone = start([*PYTHON, PROGRAMS / "sweep.py", 4], tmp_path)
    traced = start([*RUN, PROGRAMS / "sweep.py", 4], tmp_path, SOLTRACE_DIR="logs")
    assert outcome(traced) == outcome(alone)
    assert outcome(alone)[0] == 0
    lines = [line for line in events(tmp_path / "logs") if line["event"] in {"pass.started", "pass.ended"}]
    assert [(line["event"], line["phase"]) for line in lines] == [
        ("pass.started", "forward"),
        ("pass.ended", "forward"),
    ]
    assert (lines[0]["batch_shape"], lines[1]["lanes"]["finished"]) == ([4], 4)
    steps = sum(int(line.split()[-2]) for line in alone.stdout.splitlines())
    assert lines[1]["steps"]["accepted"] + lines[1]["steps"]["rejected"] == steps


def test_our_options_end_where_the_program_begins(tmp_path):
    """What follows its name is the program's, also what looks like ours. The log stays where it is to be."""
    write(tmp_path, f"{SOLVE}print(sys.argv[1:])\nimport os; os.chdir('/')\nsolve()")
    ours = ["--experiment", "fit", "--attributes", "seed=3,lr=1e-3", "--dir", "some runs"]
    done = start([*RUN, *ours, "solve.py", "--dir", "x", "--", "-m"], tmp_path, SOLTRACE_ATTRIBUTES="seed=1,who=me")
    assert (done.returncode, done.stdout) == (0, "['--dir', 'x', '--', '-m']\n")
    attributes = {"seed": 3, "who": "me", "lr": 0.001}
    assert named(tmp_path / "some runs") == [
        ("experiment.started", "fit", attributes, None),
        ("pass.started", "fit", attributes, None),
        ("pass.ended", "fit", attributes, "ok"),
        ("pass.started", "fit", attributes, None),
        ("pass.ended", "fit", attributes, "ok"),
        ("experiment.ended", "fit", attributes, "ok"),
    ]
    (log,) = (tmp_path / "some runs").iterdir()
    assert done.stderr.startswith(f"soltrace: logging to {log};")


WORLD = """
import json, os, sys
import neighbour
main = sys.modules["__main__"]
spec = globals().get("__spec__")
print(json.dumps([__name__, globals().get("__file__"), __package__, str(spec and spec.name), sys.argv, sys.path[0]]))
print(globals().get("__cached__", "none"), str(__loader__).partition(" object at")[0])
print(sorted(name for name in globals() if name != "__annotations__"))
print(type(__builtins__).__name__, main.__dict__ is globals(), neighbour.place, sys.stdin.read())
"""
PROGRAM_KINDS = {
    "file": ["some/solve.py"],
    "module": ["-m", "some.solve"],
    "module, in one word": ["-msome.solve"],
    "package": ["-m", "whole"],
    "directory": ["whole"],
    "directory, absolute": ["{}/whole"],
    "archive": ["some/whole.pyz"],
    "compiled": ["some/compiled.pyc"],
    "compiled, by another name": ["some/compiled"],
    "code": ["-c", WORLD],
    "code, in one word": [f"-c{WORLD}"],
    "stdin": ["-"],
}


@pytest.fixture
def world(tmp_path):
    """A directory with the same program in every form, and a module of the same name beside each."""
    write(tmp_path, WORLD, "some/solve.py")
    write(tmp_path, WORLD, "whole/__main__.py")
    for place in (".", "some", "whole"):
        write(tmp_path, f"place = {place!r}", f"{place}/neighbour.py")
    zipapp.create_archive(tmp_path / "whole", tmp_path / "some" / "whole.pyz")
    py_compile.compile(tmp_path / "some" / "solve.py", cfile=tmp_path / "some" / "compiled.pyc", doraise=True)
    shutil.copy(tmp_path / "some" / "compiled.pyc", tmp_path / "some" / "compiled")
    return tmp_path


SAFE = {"PYTHONSAFEPATH": "1", "PYTHONPATH": "some:."}


@pytest.mark.parametrize(
    "kind,safe",
    [(kind, {}) for kind in PROGRAM_KINDS] + [(kind, SAFE) for kind in ("file", "module", "directory", "code")],
)
def test_the_world_is_as_python_makes_it(kind, safe, world):
    """Names, arguments and path: what a program may look at."""
    how = PROGRAM_KINDS[kind]
    command = [part.replace("{}", str(world)) if len(part) < 20 else part for part in how]
    given = WORLD if how == ["-"] else "from stdin"
    alone = start([*PYTHON, *command, "--lr", "3"], world, given=given, **safe)
    assert alone.returncode == 0, alone.stderr
    assert outcome(start([*RUN, *command, "--lr", "3"], world, given=given, **safe)) == outcome(alone)


@pytest.mark.parametrize("how", ["code", "stdin", "archive", "compiled"])
@pytest.mark.parametrize("ending", ["an exception", "no Python"])
def test_any_program_ends_as_under_python(how, ending, tmp_path):
    """The same status and words; there are no frames of ours, and none of Python's own `runpy`."""
    text = f"{ENDINGS[ending]}\n"
    command, given = {"code": (["-c", text], ""), "stdin": (["-"], text)}.get(how, ([f"fit.{how}"], ""))
    if how == "archive":
        with zipfile.ZipFile(tmp_path / command[0], "w") as archive:
            archive.writestr("__main__.py", text)
    elif how == "compiled" and ending != "no Python":
        source = write(tmp_path, text)
        py_compile.compile(source, cfile=tmp_path / command[0], doraise=True)
    elif how == "compiled":
        write(tmp_path, "this is none", command[0])
        command = [shutil.copy(tmp_path / command[0], tmp_path / "fit.pyc")]
    status, printed, said = outcome(start([*PYTHON, *command], tmp_path, given=given))
    assert status != 0
    shown = [line for line in said if "<frozen " not in line]
    if len(shown) < len(said) and ending == "no Python":
        assert shown.pop(0).startswith("Traceback")
    assert outcome(start([*RUN, *command], tmp_path, given=given)) == (status, printed, shown)


ENDINGS = {
    "an exception": "def fail():\n    raise ValueError('no') from KeyError('why')\nfail()",
    "in an except clause": "try:\n    1 / 0\nexcept ZeroDivisionError:\n    [][1]",
    "exit with a number": "import sys; sys.exit(7)",
    "exit with words": "import sys; sys.exit('that was it')",
    "exit with nothing": "raise SystemExit",
    "no Python": "for",
    "not even text": "x = '\\x00",
    "an interrupt": "raise KeyboardInterrupt",
    "a signal": "import os, signal; os.kill(os.getpid(), signal.SIGTERM)",
    "a broken pipe": "raise BrokenPipeError(32, 'Broken pipe')",
    "a hook of its own": "import sys\nsys.excepthook = lambda *error: print(error[0], error[2].tb_lineno)\n\n1 / 0",
    "at exit": "import atexit, sys\natexit.register(lambda: print(sys.modules['__main__'].x))\nexit(x := 3)",
    "a thread": "import threading, time\nthreading.Thread(target=lambda: (time.sleep(0.3), print('late'))).start()",
    "by os._exit": "import os; print('now', flush=True); os._exit(4)",
}


@pytest.mark.parametrize("ending", ENDINGS)
def test_it_ends_as_under_python(ending, tmp_path):
    """Exit status, output, and the traceback word by word: there is no frame of ours in it."""
    write(tmp_path, f"print('begins')\n{ENDINGS[ending]}\n")
    alone = start([*PYTHON, "solve.py"], tmp_path)
    assert outcome(start([*RUN, "solve.py"], tmp_path)) == outcome(alone)


@pytest.mark.parametrize("ending", ["an exception", "no Python", "an interrupt", "at exit"])
def test_a_module_ends_as_under_python(ending, tmp_path):
    """But that Python shows some frames of its own above the module's: they tell nothing."""
    write(tmp_path, f"{ENDINGS[ending]}\n", "fit.py")
    status, printed, said = outcome(start([*PYTHON, "-m", "fit"], tmp_path))
    shown = [line for line in said if "<frozen " not in line]
    if ending == "no Python":  # all the frames were Python's
        assert shown.pop(0).startswith("Traceback")
    assert outcome(start([*RUN, "-m", "fit"], tmp_path)) == (status, printed, shown)


@pytest.mark.once
def test_an_experiment_ends_with_the_program(tmp_path):
    """With its error, if it had one; what it had solved is told."""
    write(tmp_path, f"{SOLVE}1 / 0")
    done = start([*RUN, "--dir", "logs", "--experiment", "fit", "solve.py"], tmp_path)
    assert (done.returncode, done.stderr.splitlines()[-1]) == (1, "ZeroDivisionError: division by zero")
    last = events(tmp_path / "logs")[-1]
    assert (last["event"], last["status"], last["error"]) == (
        "experiment.ended",
        "error",
        "ZeroDivisionError: division by zero",
    )


def test_children(tmp_path):
    """Pickles, multiprocessing's children and forks find the program as their main module."""
    program = """
import multiprocessing, os, pickle, sys
class Point:
    pass
def work(x):
    return type(x).__name__, __name__
if __name__ == "__main__":
    print(type(pickle.loads(pickle.dumps(Point()))) is Point)
    with multiprocessing.get_context("spawn").Pool(1) as pool:
        print(pool.map(work, [Point()]))
"""
    write(tmp_path, program)
    alone = start([*PYTHON, "solve.py"], tmp_path)
    assert alone.returncode == 0, alone.stderr
    assert outcome(start([*RUN, "solve.py"], tmp_path)) == outcome(alone)


def test_a_program_that_is_terminated(tmp_path):
    """The signal is the program's own: it ends by it as under Python, and what was solved is in the log."""
    write(tmp_path, f"{SOLVE}import soltrace, time\nsoltrace.flush()\nprint('solved', flush=True)\ntime.sleep(100)")
    environ = os.environ | {"SOLTRACE_DIR": str(tmp_path / "logs")}
    with subprocess.Popen([*RUN, "solve.py"], cwd=tmp_path, env=environ, stdout=subprocess.PIPE) as process:
        assert process.stdout.readline() == b"solved\n"
        process.send_signal(signal.SIGTERM)
        assert process.wait(DEADLINE_S) == -signal.SIGTERM
    assert named(tmp_path / "logs") == [("pass.started", None, {}, None), ("pass.ended", None, {}, "ok")]


@pytest.mark.once
def test_disabled_it_only_runs_the_program(tmp_path):
    """Not a file, not a word."""
    write(tmp_path, f"{SOLVE}print('done')")
    done = start([*RUN, "solve.py"], tmp_path, SOLTRACE_DISABLED="true")
    assert (outcome(done), done.stderr, [path.name for path in tmp_path.iterdir()]) == (
        (0, "done\n", []),
        "",
        ["solve.py"],
    )


def test_it_needs_no_package_of_the_instrumentors(tmp_path):
    """Only the zero-code extra brings it; here it is as if it were not installed."""
    write(tmp_path, f"{SOLVE}print('opentelemetry.instrumentation' in sys.modules)")
    write(tmp_path, "import sys; sys.modules['opentelemetry.instrumentation'] = None", "sitecustomize.py")
    program = "import sitecustomize, sys; from soltrace.cli import main; sys.exit(main(sys.argv[1:]))"
    done = start([*PYTHON, "-c", program, "run", "--dir", "logs", "solve.py"], tmp_path)
    assert (done.returncode, len(named(tmp_path / "logs"))) == (0, 2)


@pytest.mark.parametrize(
    "arguments,status,said",
    [
        ([], 2, "soltrace run: which program? A file or -m MODULE is missing; see soltrace run --help"),
        (["-m"], 2, "soltrace run: which program? A file or -m MODULE is missing; see soltrace run --help"),
        (["none.py"], 2, "soltrace run: can't open none.py: No such file or directory"),
        (["-m", "no_such_module"], 1, "soltrace run: No module named no_such_module"),
        (["-m", "xml"], 1, "soltrace run: No module named xml.__main__"),
        (["-m", "no.such"], 1, "soltrace run: No module named 'no'"),
        (["-c"], 2, "soltrace run: which program? A file or -m MODULE is missing; see soltrace run --help"),
        (["empty"], 1, "soltrace run: can't find '__main__' module in "),
        (["--otlp", "none.py"], 2, "soltrace run: can't open none.py: No such file or directory"),
        (["--attributes", "seed", "x.py"], 2, "must be like seed=3,lr=1e-3; not so: 'seed'"),
        (["--experiment", "", "x.py"], 2, "soltrace run: error: argument --experiment: must not be empty"),
        (["--otlp", "ftp://host", "x.py"], 2, "must be a URL like http://localhost:4318, got 'ftp://host'"),
        (["--otlp", "http://host:99999", "x.py"], 2, "must be a URL like http://localhost:4318, got 'http://host:99"),
        (["--otlp", "http://[::1", "x.py"], 2, "must be a URL like http://localhost:4318, got 'http://[::1'"),
        (
            ["--dir", "/proc/none", "x.py"],
            2,
            "cannot make /proc/none: No such file or directory; choose another with --dir",
        ),
        (["--exp", "fit", "x.py"], 2, "soltrace: error: unrecognized arguments: --exp"),
        (["-Bu", "x.py"], 2, "-Bu is an option of Python's, to be given before: python -Bu -m soltrace run ..."),
        (["-W", "error", "x.py"], 2, "-W ... is an option of Python's, to be given before: python -W ... -m soltrace "),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)
def test_mistakes_of_the_command_line(arguments, status, said, tmp_path):
    """Each is said in one line, before anything runs."""
    write(tmp_path, "print('runs')", "x.py")
    (tmp_path / "empty").mkdir()
    done = start([*RUN, *arguments], tmp_path)
    assert (done.returncode, done.stdout) == (status, "")
    assert said in done.stderr.splitlines()[-1]


def test_without_the_exporters_it_says_what_to_install(tmp_path):
    """The extra is named."""
    program = (
        "import sys; sys.modules['opentelemetry.exporter'] = None; from soltrace.cli import main; sys.exit(main())"
    )
    done = start([*PYTHON, "-c", program, "run", "--otlp", "x.py"], tmp_path)
    assert outcome(done) == (
        2,
        "",
        ["soltrace run: --otlp needs OpenTelemetry's exporters, not installed here: pip install 'soltrace[otlp]'"],
    )


@pytest.mark.once
def test_a_collector_that_is_not_there_costs_nothing(tmp_path):
    """An endpoint after `--otlp` is ours, a program is not; the run ends soon, and the program's output is its own."""
    write(tmp_path, f"{SOLVE}print(sys.argv)")
    began = time.monotonic()
    done = start([*RUN, "--dir", "logs", "--otlp", "http://127.0.0.1:9", "solve.py", "http://x"], tmp_path)
    assert (done.returncode, done.stdout) == (0, "['solve.py', 'http://x']\n")
    assert len(named(tmp_path / "logs")) == 2
    assert time.monotonic() - began < 60
