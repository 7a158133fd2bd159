"""Runs the blocks of one page, in a process of its own.

Takes steps on stdin, `["python", code]` or `["bash", commands]`, and says on stdout what each printed; both as JSON.
"""

import json
import os
import subprocess
import sys
import tempfile
import traceback
from typing import Any, TextIO

# A name that a script has, so that what it defines can be pickled and told in tracebacks.
NAMESPACE: dict[str, Any] = {"__name__": "__main__"}


def main() -> None:
    """Run until a step fails."""
    steps = json.load(sys.stdin)
    answers = os.fdopen(os.dup(1), "w")
    sys.stdout.reconfigure(line_buffering=True)  # in the order in which it is printed, beside stderr
    printed: list[str] = []
    failed = False
    for kind, text in steps:
        with tempfile.TemporaryFile("w+") as file:
            failed = not run(kind, text, file)
            file.seek(0)
            printed.append(file.read())
        if failed:
            break
    json.dump({"printed": printed, "failed": failed}, answers)
    answers.close()


def run(kind: str, text: str, file: TextIO) -> bool:
    """Run a step, with everything that is printed going to a file, whoever prints it. Tells whether it went well."""
    kept = os.dup(1), os.dup(2)
    os.dup2(file.fileno(), 1)
    os.dup2(file.fileno(), 2)
    try:
        if kind == "bash":
            return bash(text)
        exec(compile(text, "<page>", "exec"), NAMESPACE)
        settle()
    except BaseException:  # noqa: BLE001 - SystemExit too: a page does not end halfway
        traceback.print_exc()
        return False
    else:
        return True
    finally:
        sys.stdout.flush()
        os.dup2(kept[0], 1)
        os.dup2(kept[1], 2)
        for descriptor in kept:
            os.close(descriptor)


def settle() -> None:
    """What a reader would wait for: a moment, until everything is written."""
    if "soltrace" in sys.modules:
        sys.modules["soltrace"].flush()


def bash(text: str) -> bool:
    """Run commands as a shell would, and stop at the first that fails."""
    return (
        subprocess.run(["bash", "-euo", "pipefail", "-c", text], check=False, stdin=subprocess.DEVNULL).returncode == 0
    )


if __name__ == "__main__":
    main()
