"""Whether a long solve is the same in every process: `python -m benchmarks.device_bits`, on an accelerator.

A chaotic solve of thousands of steps, which shows a difference in the last place as another number. Processes of bare
diffrax, of soltrace, and of the one and then the other, in turns: what a compiler chooses, it chooses anew in each, and
its autotuner measures what it has not met in the process. The last once more where XLA has but one kernel for each
function. One process at a time: two share a device so badly that each takes minutes.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

WHO: Final = {
    "bare": "",
    "soltrace": "",
    "both": "",
    "both, one kernel": "--xla_gpu_experimental_enable_fusion_autotuner=false",
}
"""Whose solves, and XLA's flags for it."""
MAX_STEPS: Final = 20_000
"""Four times as many as it takes."""
SHOWN: Final = 20


def main(argv: list[str] | None = None) -> int:
    """Run the processes, print each one's values; 1 if they are not all the same."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.device_bits", description=__doc__)
    parser.add_argument("--processes", type=int, default=6, help="processes of each (default: 6)")
    parser.add_argument("--child", choices=WHO, help=argparse.SUPPRESS)
    args = parser.parse_args(argv)
    if args.child:
        _solve(args.child)
        return 0
    told: Counter[str] = Counter()
    for who, flags in [*WHO.items()] * args.processes:
        command = [sys.executable, "-m", "benchmarks.device_bits", "--child", who]
        env = {**os.environ, "XLA_FLAGS": f"{os.environ.get('XLA_FLAGS', '')} {flags}".strip()}
        line = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True, env=env).stdout.strip()  # noqa: S603
        print(f"{who:16}", line, flush=True)
        told[line.splitlines()[0]] += 1
    print("the same in all" if len(told) == 1 else f"different: {dict(told)}")
    return len(told) > 1


def _solve(who: str) -> None:
    import diffrax as dfx
    import jax.numpy as jnp

    import soltrace

    bare, ours = (long_solve(solve) for solve in (dfx.diffeqsolve, soltrace.diffeqsolve))
    with tempfile.TemporaryDirectory() as directory:
        soltrace.configure(directory=directory, spans=False, metrics=False, logs=False)
        if who.startswith("both"):
            bare(jnp.ones(3))
        run = bare if who == "bare" else ours
        (value, _, successful), (again, *_) = [run(jnp.ones(3)) for _ in range(2)]
        print(value, again)
        soltrace.shutdown()
        if not successful:
            print(*_course(Path(directory)), sep="\n")


def long_solve(solve: Any, t1: float = 100.0) -> Any:
    """Make the program: from the state, the end state's sum, the steps taken, and whether it has come to its end."""
    import diffrax as dfx
    import jax

    from benchmarks.cases import lorenz

    def run(y: jax.Array) -> tuple[jax.Array, Any, Any]:
        solution = solve(
            dfx.ODETerm(lorenz),
            dfx.Tsit5(),
            0.0,
            t1,
            0.01,
            y,
            max_steps=MAX_STEPS,
            stepsize_controller=dfx.PIDController(rtol=1e-6, atol=1e-6),
            throw=False,
        )
        return solution.ys.sum(), solution.stats["num_steps"], solution.result == dfx.RESULTS.successful

    return jax.jit(run)


def _course(directory: Path) -> Iterator[str]:
    """Say how far the passes were and when: what of a solve that went astray is known."""
    for log in directory.glob("*.jsonl"):
        lines = map(json.loads, log.read_text(encoding="utf-8").splitlines())
        for line in [x for x in lines if "step" in x][:SHOWN]:
            yield f"  {line['event']} step {line['step']}, t {line.get('t')}, steps {line.get('steps')}"


if __name__ == "__main__":
    raise SystemExit(main())
