"""Take the pictures of the live view anew: `python -m scripts.live_picture` writes `live.svg` and `at_hand.svg`.

They are real ones, in `docs/pictures/`: two processes solve, `soltrace tail` watches them in a terminal (tmux), and
what the terminal shows is drawn by rich; and the first of them watches itself.
"""

import io
import os
import re
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Final

from rich.console import Console
from rich.terminal_theme import SVG_EXPORT_THEME
from rich.text import Text

PICTURES: Final = Path(__file__).parents[1] / "docs" / "pictures"
WIDTH, HEIGHT = 128, 20
DEADLINE_S: Final = 180

PROGRAM: Final = """
import sys
import diffrax, jax, jax.numpy as jnp
import soltrace

def reaction_diffusion(t, u, width):
    x = jnp.roll(u, 1) - 2 * u + jnp.roll(u, -1)
    return width * x + u - u**3

def loss(width, u):
    solution = soltrace.diffeqsolve(
        diffrax.ODETerm(reaction_diffusion), diffrax.Tsit5(), 0.0, 10.0, 0.01, u, width,
        stepsize_controller=diffrax.PIDController(rtol=1e-4, atol=1e-6),
    )
    return jnp.mean(solution.ys**2)

step = jax.jit(jax.vmap(jax.value_and_grad(loss), in_axes=(0, None)))
seed = int(sys.argv[1])
with soltrace.experiment("allen-cahn", seed=seed):
    widths = jnp.geomspace(2.0, 60.0, 6)
    u = 0.1 * jax.random.normal(jax.random.key(seed), (8_000 + 4_000 * seed,))
    print("begins")
    for epoch in range(1_000_000):
        jax.block_until_ready(step(widths, u))
        print("epoch", epoch, "done")
"""


class Terminal:
    """A terminal of its own, with a command in it."""

    def __init__(self, directory: Path, command: str) -> None:
        self._environ = os.environ | {"LC_ALL": "C.UTF-8", "TMUX_TMPDIR": str(directory), "TERM": "xterm-256color"}
        self._tmux("new-session", "-d", "-x", str(WIDTH), "-y", str(HEIGHT), "-c", str(directory), command)

    def screen(self) -> str:
        """What it shows, with colours."""
        return self._tmux("capture-pane", "-e", "-p").rstrip()

    def end(self) -> None:
        """End it and the command."""
        self._tmux("kill-server")

    def _tmux(self, *arguments: str) -> str:
        command = ["tmux", "-L", "picture", "-f", os.devnull, *arguments]
        return subprocess.run(command, env=self._environ, capture_output=True, text=True, check=True).stdout


def take_at_hand() -> str:
    """Start a run that shows itself, and wait for a backward pass after another one has ended."""
    with tempfile.TemporaryDirectory() as name:
        directory = Path(name)
        (directory / "fit.py").write_text(PROGRAM)
        command = f"{sys.executable} -m soltrace run --live --dir runs fit.py 0"
        terminal = Terminal(directory, f"echo '$ soltrace run --live --dir runs fit.py'; {command}")
        backwards = re.compile(r"epoch 1 done(.|\n)*✓(.|\n)*backward .* [3-8]\d\.\d %")
        try:
            return waited_for(terminal, lambda screen: backwards.search(screen) is not None).replace(name, "/home/me")
        finally:
            terminal.end()


def waited_for(terminal: Terminal, expected: Callable[[str], bool]) -> str:
    """Wait until the terminal shows what is to be on the picture."""
    deadline = time.monotonic() + DEADLINE_S
    while time.monotonic() < deadline:
        screen = terminal.screen()
        if expected(Text.from_ansi(screen).plain):
            return screen
        time.sleep(0.2)
    raise TimeoutError(f"that was never seen; the terminal shows:\n{screen}")


def take() -> str:
    """Start two runs and a terminal, and wait for a moment that shows both phases."""
    with tempfile.TemporaryDirectory() as name:
        directory = Path(name)
        runs = [
            subprocess.Popen(
                [sys.executable, "-c", PROGRAM, str(seed)],
                cwd=directory,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
            )
            for seed in (0, 1)
        ]
        terminal = Terminal(directory, f"{sys.executable} -m soltrace tail --utc soltrace-runs")
        try:
            return waited_for(terminal, shows_enough)
        finally:
            terminal.end()
            for run in runs:
                run.kill()
                run.wait()


def shows_enough(screen: str) -> bool:
    """Whether a forward and a backward pass are under way, neither of them just begun, and one has ended above."""
    open_rows = [line for line in screen.splitlines() if re.search(r" [2-8]\d\.\d %", line)]
    phases = {phase for phase in ("forward", "backward") if any(phase in row for row in open_rows)}
    return phases == {"forward", "backward"} and "ended ok" in screen


def drawn(screen: str, title: str) -> str:
    """Draw what a terminal shows. Without rich's fonts, which it would fetch: a picture needs no network."""
    console = Console(record=True, width=WIDTH, file=io.StringIO(), force_terminal=True)
    console.print(Text.from_ansi(screen), soft_wrap=True)
    svg = console.export_svg(title=title, theme=SVG_EXPORT_THEME, unique_id="live")
    return re.sub(r"@font-face \{.*?\}\s*", "", svg, flags=re.DOTALL)


if __name__ == "__main__":
    PICTURES.mkdir(exist_ok=True)
    (PICTURES / "live.svg").write_text(drawn(take(), "soltrace tail"), encoding="utf-8")
    (PICTURES / "at_hand.svg").write_text(drawn(take_at_hand(), "soltrace run --live fit.py"), encoding="utf-8")
