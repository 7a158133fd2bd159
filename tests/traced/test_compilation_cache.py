"""jax's persistent compilation cache: a second process finds there what a first one has compiled, and still reports."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import jax
import pytest

from tests.traced.stories import story

pytestmark = pytest.mark.slow

PROGRAM = Path(__file__).parents[1] / "programs" / "cached.py"
CACHED = jax.__version_info__ >= (0, 11)
"""Whether this jax keeps programs that call the host at all. Older ones compile them anew in each process."""


def start(cache: Path, name: str, before: int, **more: str) -> subprocess.Popen[str]:
    """Start the program in a process of its own."""
    environ = more | {
        "JAX_COMPILATION_CACHE_DIR": str(cache),
        "JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS": "0",
        "JAX_PERSISTENT_CACHE_MIN_ENTRY_SIZE_BYTES": "-1",
    }
    command = [sys.executable, str(PROGRAM), name, str(before)]
    return subprocess.Popen(
        command, env=os.environ | environ, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )


def finish(process: subprocess.Popen[str]) -> dict[str, Any]:
    """Wait until it is done; what it has printed."""
    out, err = process.communicate(timeout=120)
    assert process.returncode == 0, err
    return json.loads(out)


def run(cache: Path, name: str, before: int, **more: str) -> dict[str, Any]:
    """Run the program in a process of its own."""
    return finish(start(cache, name, before, **more))


def lines(told: dict[str, Any]) -> list[str]:
    """What was told, pass by pass, each line with the attributes of its solve; of the program, nothing.

    Neither of the two solves waits for the other: which is the first is left out, and said by the attributes.
    """
    passes = [event for event in told["events"] if "pass_id" in event]
    named = [
        f"{event['attributes']['run']} {event['attributes']['steps']} {line.partition('.')[2]}"
        for line, event in zip(story(passes), passes, strict=True)
    ]
    return sorted(named, key=lambda line: line.split()[:3])


def numbers(told: dict[str, Any]) -> set[str]:
    """The numbers of the solves in the process."""
    return {line.partition(".")[0] for line in story(event for event in told["events"] if "pass_id" in event)}


def expected(name: str) -> list[str]:
    """The story of both solves."""
    return [
        *(f"{name} 4 backward {rest}" for rest in ("started", "2/0.500", "4/1.000", "ended 4/1.000 4+0&4")),
        *(f"{name} 4 forward {rest}" for rest in ("started", "2/0.500", "ended 4/1.000 4+0")),
        *(f"{name} 8 backward {rest}" for rest in ("started", "4/0.500", "8/1.000", "ended 8/1.000 8+0&8")),
        *(f"{name} 8 forward {rest}" for rest in ("started", "2/0.250", "4/0.500", "6/0.750", "ended 8/1.000 8+0")),
    ]


def test_a_second_process_reports_its_own_passes(tmp_path: Path) -> None:
    """The program is the first process's, to the bit; handles, names and attributes are those of the second."""
    first = run(tmp_path, "first", before=0)
    kept = [path.name for path in tmp_path.iterdir() if path.name.startswith("jit_fit-")]
    second = run(tmp_path, "second", before=2)

    assert (first["hits"], bool(kept), second["hits"]) == (0, CACHED, int(CACHED))
    assert second["values"] == first["values"]
    assert (lines(first), numbers(first)) == (expected("first"), {"1", "2"})
    assert (lines(second), numbers(second)) == (expected("second"), {"3", "4"})


@pytest.mark.once
def test_processes_share_a_cache_at_once_and_where_telemetry_is_disabled(tmp_path: Path) -> None:
    """Each reports its own passes, whoever has compiled them; the one without telemetry has a program of its own."""
    started = [start(tmp_path, name, before=0) for name in ("first", "second")]
    first, second = map(finish, started)
    disabled = run(tmp_path, "disabled", before=0, SOLTRACE_DISABLED="true")
    third = run(tmp_path, "third", before=0)
    kept = [path.name for path in tmp_path.glob("jit_fit-*-cache")]

    told = {"first": first, "second": second, "third": third}
    assert {name: lines(one) for name, one in told.items()} == {name: expected(name) for name in told}
    assert (disabled["events"], len(kept)) == ([], 2 * CACHED)
    assert {str(one["values"]) for one in told.values()} == {str(disabled["values"])}


@pytest.mark.once
def test_a_cache_that_cannot_be_written(tmp_path: Path) -> None:
    """It is no directory, or full: jax compiles all the same, with soltrace too. What has been cut is not read."""
    (tmp_path / "full").mkdir()
    (tmp_path / "file").touch()
    full = start(tmp_path / "full", "full", before=0, PYTHONWARNINGS="ignore", SOLTRACE_TEST_FILES_AT_MOST="4096")
    file = start(tmp_path / "file", "file", before=0, PYTHONWARNINGS="ignore")
    told = {"full": finish(full), "file": finish(file)}
    assert [path.stat().st_size for path in (tmp_path / "full").glob("jit_fit-*-cache")] == [4096] * CACHED
    told["later"] = run(tmp_path / "full", "later", before=0, PYTHONWARNINGS="ignore")
    assert {name: lines(one) for name, one in told.items()} == {name: expected(name) for name in told}
