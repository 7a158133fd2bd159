"""Sample records, as the reading side has them."""

import importlib.util
from pathlib import Path

import pytest

_spec = importlib.util.spec_from_file_location("sample_logs", Path(__file__).parents[1] / "reading" / "conftest.py")
_samples = importlib.util.module_from_spec(_spec)
_spec.loader.exec_module(_samples)


@pytest.fixture
def log():
    """The records of a run `r1` in an experiment `fit`."""
    return _samples.Log()


@pytest.fixture
def logs():
    """To make the records of several experiments."""
    return _samples.Log
