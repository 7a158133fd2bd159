"""Run diffrax's own tests instrumented, with and without a span of the caller's: what passes bare passes so too.

    python -m scripts.diffrax_suite.tests [--modes instrumented,span] [FILE[::TEST] ...] [-k WORDS]

The sources come from `scripts.diffrax_suite.checkout`. What passes instrumented is settled; only what does not is run
bare, once, to see whether it would have passed. The whole takes an hour or two on two cores.
"""

import argparse
import json
import os
import shutil
import subprocess
import sys
from collections import Counter
from pathlib import Path
from typing import Final

from scripts.diffrax_suite.checkout import checkout

ROOT: Final = Path(__file__).parents[2]
RESULTS: Final = ROOT / "build" / "diffrax-tests"
FILES: Final = ("event", "saveat_solution", "adaptive_stepsize_controller", "progress_meter", "vmap", "adjoint")
"""What is run unless files are named: those that see most of what soltrace touches, in some minutes each."""
BEARTYPE: Final = "diffrax,beartype.beartype(conf=beartype.BeartypeConf(strategy=beartype.BeartypeStrategy.On))"


def main() -> None:
    """Run, compare, and say where they differ."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--modes", default="instrumented,span", help="of instrumented, span")
    parser.add_argument("tests", nargs="*", default=[f"test/test_{name}.py" for name in FILES])
    args, more = parser.parse_known_args()
    prepare()
    told = {mode: outcomes(mode, [*args.tests, *more]) for mode in args.modes.split(",")}
    failed = sorted({test for tests in told.values() for test, outcome in tests.items() if outcome == "failed"})
    bare = outcomes("bare", failed) if failed else {}
    worse = [compare(mode, tests, bare) for mode, tests in told.items()]
    sys.exit(1 if any(worse) or not all(told.values()) else 0)


def prepare() -> None:
    """Lay out the tests alone: beside diffrax's sources, those would be imported."""
    shutil.rmtree(RESULTS / "test", ignore_errors=True)
    shutil.copytree(checkout() / "test", RESULTS / "test")


def outcomes(mode: str, arguments: list[str]) -> dict[str, str]:
    """Run the tests, and return what each came to."""
    print(f"==> {mode}: pytest {' '.join(arguments)}", flush=True)
    logs, file = RESULTS / f"logs-{mode}", RESULTS / f"{mode}.json"
    shutil.rmtree(logs, ignore_errors=True)
    file.unlink(missing_ok=True)
    environ = {
        "PYTHONPATH": os.pathsep.join([str(ROOT), *filter(None, [os.environ.get("PYTHONPATH")])]),
        "SOLTRACE_DIR": str(logs),
        "SOLTRACE_SUITE_MODE": mode,
        "SOLTRACE_SUITE_OUTCOMES": str(file),
    }
    command = [
        *(sys.executable, "-m", "pytest", "-q", "-c", "/dev/null", "--rootdir", ".", "-p", "no:randomly"),
        *("-p", "scripts.diffrax_suite.plugin", "--tb=line", f"--jaxtyping-packages={BEARTYPE}", *arguments),
    ]
    # Not where diffrax's own configuration would be found, nor ours.
    subprocess.run(command, cwd=RESULTS, env=os.environ | environ, check=False)
    return json.loads(file.read_text(encoding="utf-8"))


def compare(mode: str, tests: dict[str, str], bare: dict[str, str]) -> list[str]:
    """Say what the tests came to; return those that pass only bare."""
    failed = sorted(test for test, outcome in tests.items() if outcome == "failed")
    worse = [test for test in failed if bare.get(test) == "passed"]
    print(f"==> {mode}: {dict(Counter(tests.values()))}; {passes(RESULTS / f'logs-{mode}')}")
    for test in failed:
        print(f"    fails {mode}, {bare.get(test, 'not run')} bare: {test}")
    return worse


def passes(logs: Path) -> str:
    """Count what the logs tell of passes."""
    lines = [json.loads(line) for log in logs.glob("*.jsonl") for line in log.read_text().splitlines()]
    count = Counter(line["event"] for line in lines)
    abandoned = sum(line["event"] == "pass.ended" and line["result"] == "abandoned" for line in lines)
    dropped = sum(line["dropped"] for line in lines if line["event"] == "telemetry.dropped")
    return f"{count['pass.started']} passes, {count['pass.ended']} ended, {abandoned} abandoned, {dropped} dropped"


if __name__ == "__main__":
    main()
