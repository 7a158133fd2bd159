"""The shortest decimals of many float32 are those that numpy writes one by one."""

import random

import numpy as np
import pytest

from soltrace.host.shortest import shortest

SEED = random.randrange(2**32)


def as_told(values):
    with np.errstate(over="ignore"):
        return list(map(repr, shortest(values).tolist()))


def one_by_one(values):
    return [repr(float(str(value))) for value in values]


def test_any_float32_there_is():
    values = np.random.default_rng(SEED).integers(0, 2**32, 20_000, dtype=np.uint32).view(np.float32)
    assert as_told(values) == one_by_one(values), f"seed {SEED}"


def test_float32_as_solves_have_them():
    generator = np.random.default_rng(SEED)
    scale = 10.0 ** generator.integers(-14, 14, 20_000)
    values = (generator.standard_normal(20_000) * scale).astype(np.float32)
    assert as_told(values) == one_by_one(values), f"seed {SEED}"


def test_few_digits():
    generator = np.random.default_rng(SEED)
    digits, places = generator.integers(-(10**5), 10**5, 20_000), generator.integers(-12, 12, 20_000)
    values = (digits * 10.0**places).astype(np.float32)
    assert as_told(values) == one_by_one(values), f"seed {SEED}"


EDGES = """
    0 -0 1 0.1 10 9.999999 99999.99 0.99999994 1e10 1e11 1e12 1e-11 1e-12 1e-45 5e-324 3.4028235e38 inf -inf nan
    16777216 33554432 123456.0
"""


@pytest.mark.parametrize("value", EDGES.split())
def test_numbers_at_an_edge(value):
    values = np.array([value], np.float64).astype(np.float32)
    assert as_told(values) == one_by_one(values)


def test_none_at_all():
    assert shortest(np.zeros(0, np.float32)).tolist() == []
