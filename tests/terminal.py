"""A real terminal: tmux, which has to be there (`make test` says how to install it)."""

import os
import shutil
import subprocess
import tempfile
import uuid
from pathlib import Path


class Tmux:
    """A terminal of its own, with a program in it."""

    def __init__(self, directory: Path, width: int = 100, height: int = 16) -> None:
        self._server = f"soltrace-{uuid.uuid4().hex[:8]}"
        # Of its own, for tmux leaves its socket behind; and short, for the path of a socket has to be.
        self._sockets = tempfile.mkdtemp(prefix="soltrace-")
        self._directory = directory
        self._size = (str(width), str(height))

    def _tmux(self, *arguments: str) -> str:
        environ = os.environ | {"LC_ALL": "C.UTF-8", "TERM": "xterm-256color", "TMUX_TMPDIR": self._sockets}
        environ.pop("TMUX", None)
        command = ["tmux", "-L", self._server, "-f", os.devnull, *arguments]
        return subprocess.run(command, env=environ, capture_output=True, text=True, check=True, timeout=20).stdout

    def start(self, command: str, then: str = "true") -> None:
        """Start a shell command, and another one after it; how the first ended is written below it."""
        # The last command keeps the terminal open for a look at it.
        self._start(f"{command}; echo status $?; {then}; exec sleep 60")

    def shell(self) -> None:
        """Start a shell that has jobs."""
        self._start("exec bash --norc --noprofile -i")
        self.keys("PS1=READY; clear", "Enter")

    def _start(self, script: str) -> None:
        width, height = self._size
        self._tmux("new-session", "-d", "-x", width, "-y", height, "-c", str(self._directory), script)

    def screen(self, *options: str) -> list[str]:
        """Read the lines of the screen, without the empty ones."""
        return [line.rstrip() for line in self._tmux("capture-pane", "-p", *options).splitlines() if line.strip()]

    def child(self) -> int:
        """The process that was started."""
        shell = self.format("#{pane_pid}")
        return int(Path(f"/proc/{shell}/task/{shell}/children").read_text())

    def cursor(self) -> bool:
        """Tell whether the cursor is to be seen."""
        return self.format("#{cursor_flag}") == "1"

    def format(self, what: str) -> str:
        """Ask the terminal about itself, as `display-message` writes it."""
        return self._tmux("display-message", "-p", what).strip()

    def keys(self, *keys: str) -> None:
        """Press keys."""
        self._tmux("send-keys", *keys)

    def resize(self, width: int, height: int) -> None:
        """Change the size of the terminal."""
        self._tmux("resize-window", "-x", str(width), "-y", str(height))

    def end(self) -> None:
        """End the server and what runs in it."""
        self._tmux("kill-server")
        shutil.rmtree(self._sockets)
