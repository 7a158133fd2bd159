"""jax's persistent compilation cache: a second process finds there what a first one has compiled, and still reports."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import jax
import pytest

from tests.traced.stories import by_pass, story

pytestmark = pytest.mark.slow

PROGRAM = Path(__file__).parents[1] / "programs" / "cached.py"
CACHED = jax.__version_info__ >= (0, 11)
"""Whether this jax keeps programs that call the host at all. Older ones compile them anew in each process."""


def run(cache: Path, name: str, before: int) -> dict[str, Any]:
    """Run the program in a process of its own."""
    environ = {
        "JAX_COMPILATION_CACHE_DIR": str(cache),
        "JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS": "0",
        "JAX_PERSISTENT_CACHE_MIN_ENTRY_SIZE_BYTES": "-1",
    }
    command = [sys.executable, str(PROGRAM), name, str(before)]
    done = subprocess.run(command, env=os.environ | environ, capture_output=True, text=True, check=True)
    return json.loads(done.stdout)


def lines(told: dict[str, Any]) -> list[str]:
    """What was told, each line with the attributes of its solve; of the program, which was compiled, nothing."""
    passes = [event for event in told["events"] if "pass_id" in event]
    return [
        f"{line} {event['attributes']['run']} {event['attributes']['steps']}"
        for line, event in zip(story(passes), passes, strict=True)
    ]


def expected(name: str, before: int) -> list[str]:
    """The story of both solves, the first of which is the process's solve number `before + 1`."""
    four, eight = before + 1, before + 2
    return [
        *(f"{four}.backward {rest} {name} 4" for rest in ("started", "2/0.500", "4/1.000", "ended 4/1.000 4+0&4")),
        *(f"{four}.forward {rest} {name} 4" for rest in ("started", "2/0.500", "ended 4/1.000 4+0")),
        *(f"{eight}.backward {rest} {name} 8" for rest in ("started", "4/0.500", "8/1.000", "ended 8/1.000 8+0&8")),
        *(
            f"{eight}.forward {rest} {name} 8"
            for rest in ("started", "2/0.250", "4/0.500", "6/0.750", "ended 8/1.000 8+0")
        ),
    ]


def test_a_second_process_reports_its_own_passes(tmp_path: Path) -> None:
    """The program is the first process's, to the bit; handles, names and attributes are those of the second."""
    first = run(tmp_path, "first", before=0)
    kept = [path.name for path in tmp_path.iterdir() if path.name.startswith("jit_fit-")]
    second = run(tmp_path, "second", before=2)

    assert (first["hits"], bool(kept), second["hits"]) == (0, CACHED, int(CACHED))
    assert second["values"] == first["values"]
    assert by_pass(lines(first)) == expected("first", 0)
    assert by_pass(lines(second)) == expected("second", 2)
