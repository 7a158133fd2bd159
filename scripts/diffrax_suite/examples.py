"""Run the examples of diffrax's documentation bare and under `soltrace run`: equal to the bit, every pass closed.

    python -m scripts.diffrax_suite.examples [NAME ...]

The notebooks come from `scripts.diffrax_suite.checkout`. They are turned into programs, shortened as `SHORTER` says,
draw nothing, and print a digest of every array that they end with. The whole takes some ten minutes on two cores.
"""

import ast
import json
import os
import re
import subprocess
import sys
from collections import Counter
from pathlib import Path
from typing import Final

from scripts.diffrax_suite.checkout import checkout

ROOT: Final = Path(__file__).parents[2]
PROGRAMS: Final = ROOT / "build" / "diffrax-examples"
SHORTER: Final[dict[str, list[tuple[str, str]]]] = {
    "continuous_normalising_flow": [("batch_size=500", "batch_size=8"), ("steps=10000", "steps=2")],
    "coupled_odes": [],
    "forcing": [],
    "hessian": [("t1 = 140", "t1 = 14")],
    "kalman_filter": [("main(n_gradient_steps=100)", "")],  # bare, it needs a jax of before 0.12
    "latent_ode": [
        ("dataset_size=10000", "dataset_size=32"),
        ("batch_size=256", "batch_size=8"),
        ("steps=250", "steps=2"),
    ],
    "neural_cde": [("dataset_size=256", "dataset_size=32"), ("batch_size=32", "batch_size=8"), ("steps=20", "steps=2")],
    "neural_ode": [("dataset_size=256", "dataset_size=32"), ("=32,\n    lr", "=8,\n    lr"), ("(500, 500)", "(2, 2)")],
    "neural_sde": [
        ("dataset_size=8192", "dataset_size=32"),
        ("batch_size=1024", "batch_size=8"),
        ("steps=10000", "steps=2"),
    ],
    "nonlinear_heat_pde": [],
    "sde_example": [
        ("%env JAX_PLATFORM_NAME=cuda", ""),
        ("num_samples = 100", "num_samples = 4"),
        ("num_steps = 191", "num_steps = 2"),
    ],
    "steady_state": [("range(100)", "range(3)")],
    "stiff_ode": [],
    "underdamped_langevin_example": [],
}
"""What is replaced in each. Left out is `symbolic_regression`: it needs a compiler of another language."""
STUBS: Final = {
    "matplotlib/__init__.py": """
class Nothing:
    def __call__(self, *args, **kwargs): return self
    def __getattr__(self, name): return self
    def __getitem__(self, index): return self
    def __iter__(self): return iter((self, self))
rcParams = Nothing()
""",
    "matplotlib/pyplot.py": "from matplotlib import Nothing\ndef __getattr__(name): return Nothing()\n",
    "imageio.py": "import numpy as np\ndef imread(path): return np.arange(256, dtype=np.uint8).reshape(8, 8, 4)\n",
}
DIGEST: Final = """
import hashlib as _hashlib
import jax as _jax, numpy as _numpy
for _name, _value in sorted(globals().copy().items()):
    _arrays = [_numpy.asarray(x) for x in _jax.tree.leaves(_value) if isinstance(x, (_jax.Array, _numpy.ndarray))
               and not _jax.dtypes.issubdtype(x.dtype, _jax.dtypes.prng_key)]
    if _arrays:
        print(_name, len(_arrays), _hashlib.sha256(b"".join(x.tobytes() for x in _arrays)).hexdigest()[:16])
"""
TIMES: Final = re.compile(r"(?:time: |in )\d+\.\d+(?:e-\d+)?")


def main() -> None:
    """Run each both ways, and compare."""
    for name, text in STUBS.items():
        (PROGRAMS / name).parent.mkdir(parents=True, exist_ok=True)
        (PROGRAMS / name).write_text(text, encoding="utf-8")
    failed = [name for name in sys.argv[1:] or SHORTER if not same(name)]
    sys.exit(f"not as bare: {', '.join(failed)}" if failed else 0)


def same(name: str) -> bool:
    """Run one both ways, say how it went, and return whether all is well."""
    file, logs = PROGRAMS / f"{name}.py", PROGRAMS / f"logs-{name}"
    file.write_text(program(name), encoding="utf-8")
    for log in logs.glob("*"):
        log.unlink()
    bare = run([sys.executable, file.name])
    traced = run([sys.executable, "-m", "soltrace", "run", "--dir", str(logs), file.name])
    well, told = passes(logs)
    equal = bare == traced
    print(f"==> {name}: {'equal' if equal else 'NOT EQUAL'}; {told}", flush=True)
    if not equal:
        print(*bare, "-- but under soltrace run:", *traced, sep="\n")
    return equal and well


def program(name: str) -> str:
    """Turn an example into a program: shortened, and with what a notebook shows kept in variables."""
    file = checkout() / "docs" / "examples" / f"{name}.ipynb"
    notebook = json.loads(file.read_text(encoding="utf-8"))
    cells = ["".join(cell["source"]) for cell in notebook["cells"] if cell["cell_type"] == "code"]
    text = "\n# cell\n".join(cells)
    for old, new in SHORTER[name]:
        assert old in text, f"{name}: there is no {old!r} any more"
        text = text.replace(old, new)
    cells = [kept(cell, f"shown_{index}") for index, cell in enumerate(text.split("\n# cell\n"))]
    return "\n".join([*cells, DIGEST])


def kept(cell: str, name: str) -> str:
    """Keep the value of the cell's last expression, which a notebook would show."""
    tree = ast.parse(cell)
    if tree.body and isinstance(last := tree.body[-1], ast.Expr):
        tree.body[-1] = ast.copy_location(ast.Assign([ast.Name(name, ast.Store())], last.value), last)
    return ast.unparse(ast.fix_missing_locations(tree))


def run(command: list[str]) -> list[str]:
    """Run a program, and return its exit status and what it printed, times left out."""
    environ = os.environ | {"PYTHONPATH": str(ROOT), "JAX_PLATFORMS": "cpu"}
    done = subprocess.run(command, cwd=PROGRAMS, env=environ, capture_output=True, text=True, check=False)
    said = done.stderr.splitlines()[-1:] if done.returncode else []
    return [str(done.returncode), *TIMES.sub("", done.stdout).splitlines(), *said]


def passes(logs: Path) -> tuple[bool, str]:
    """Count what the logs tell of passes; return whether there were some, and all of them ended well, and how many."""
    lines = [json.loads(line) for log in logs.glob("*.jsonl") for line in log.read_text().splitlines()]
    ends = [line for line in lines if line["event"] == "pass.ended"]
    count = Counter(line["event"] for line in lines)
    results = dict(Counter(line["result"] for line in ends))
    whole = count["pass.started"] == len(ends) > 0 and not any(result.startswith("abandoned") for result in results)
    backward = sum(line["phase"] == "backward" for line in ends)
    told = f"{count['pass.started']} passes, {len(ends)} ended ({backward} of them backward): {results}"
    dropped = sum(line["dropped"] for line in lines if line["event"] == "telemetry.dropped")
    return whole and not dropped, f"{told}, {dropped} dropped"


if __name__ == "__main__":
    main()
