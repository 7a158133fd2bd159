"""A log as a program writes it, for other programs to read: one good pass, a batch with a failed lane, its gradient."""

import importlib.util
from pathlib import Path

import pytest

from soltrace.wire.record_parts import Steps

_spec = importlib.util.spec_from_file_location("sample_logs", Path(__file__).parents[1] / "reading" / "conftest.py")
_samples = importlib.util.module_from_spec(_spec)
_spec.loader.exec_module(_samples)


@pytest.fixture
def log(tmp_path: Path) -> Path:
    """The file."""
    path = tmp_path / "run.jsonl"
    log = _samples.Log(seed=3, lr=1e-3, name="a|b")
    log.append(
        path,
        *(log.opened(host="vm"), log.experiment_started(0), log.compiled(1), log.started(1)),
        log.progress(2, progress=0.5, step=60, steps=Steps(accepted=50, rejected=10)),
        *(log.ended(3), log.started(3, 2, lanes=[2])),
        log.lane_ended(4, 2, lane=[1], status="error", result="nonfinite", t="NaN"),
        log.ended(4, 2, status="error", result="nonfinite", t="NaN", duration_s=1.0, level="error"),
        *(log.started(5, 1, "backward"), log.ended(7, 1, "backward", duration_s=2.5), log.experiment_ended(8)),
    )
    return path
