"""Which kernels XLA takes for a solver's loop on a GPU: `python -m benchmarks.device_kernels`, in several processes.

XLA measures its own kernel and Triton's for some of the functions that it makes of a program, and takes the faster one.
Programs of bare diffrax and of soltrace that differ in their final time, of which XLA knows none yet: where Triton's
kernel is in the loop, the program is run, and once more as compiled with XLA's own kernels alone.
"""

import argparse
import re
import subprocess
import sys
import time
from collections.abc import Iterator
from typing import Final

from benchmarks.device_bits import long_solve

OWN_KERNELS: Final = {"xla_gpu_experimental_enable_fusion_autotuner": False}
TRITON: Final = '"__triton"'


def main(argv: list[str] | None = None) -> int:
    """Run the processes, print what each one finds; 1 if a kernel makes a difference."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.device_kernels", description=__doc__)
    parser.add_argument("--processes", type=int, default=12, help="how many, all at once (default: 12)")
    parser.add_argument("--seconds", type=float, default=60.0, help="how long each compiles (default: 60)")
    parser.add_argument("--child", type=int, help=argparse.SUPPRESS)
    args = parser.parse_args(argv)
    if args.child is not None:
        for line in _found(args.child, args.seconds):
            print(line, flush=True)
        return 0
    command = [sys.executable, "-m", "benchmarks.device_kernels", "--seconds", str(args.seconds), "--child"]
    processes = [
        subprocess.Popen([*command, str(number)], stdout=subprocess.PIPE, text=True)  # noqa: S603 - ours
        for number in range(args.processes)
    ]
    said = "".join(process.communicate()[0] for process in processes)
    print(said, end="")
    return "different" in said or any(process.returncode for process in processes)


def _found(number: int, seconds: float) -> Iterator[str]:
    import diffrax as dfx
    import jax.numpy as jnp

    import soltrace

    soltrace.configure(json_log=False, spans=False, metrics=False, logs=False)
    y, until_s, programs, with_triton = jnp.ones(3), time.monotonic() + seconds, 0, 0
    while time.monotonic() < until_s:
        t1 = 60.0 + (number * 40 + programs // 2) / 16
        for who, solve in (("diffrax", dfx.diffeqsolve), ("soltrace", soltrace.diffeqsolve)):
            programs += 1
            lowered = long_solve(solve, t1).lower(y)
            compiled = lowered.compile()
            lines = [line for line in compiled.as_text().splitlines() if TRITON in line and "while/body" in line]
            if names := [re.search(r"%(\S+) =", line).group(1) for line in lines]:  # type: ignore[union-attr]
                with_triton += 1
                values = [list(map(str, run(y))) for run in (compiled, lowered.compile(OWN_KERNELS))]
                same = "the same" if values[0] == values[1] else "different"
                yield f"{who}, t1 {t1}: {', '.join(names)}: {values[0]}, with XLA's own {values[1]}: {same}"
    yield f"process {number}: {programs} programs, {with_triton} with a kernel of Triton's in the loop"
    soltrace.shutdown()


if __name__ == "__main__":
    raise SystemExit(main())
