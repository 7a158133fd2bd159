"""Where XLA may choose a wrong kernel, that is said."""

import warnings

import pytest

from soltrace.traced.gpu_kernels import warn_of_choices
from soltrace.wire import warn


@pytest.mark.parametrize(
    ("platform", "flags"),
    [
        ("cuda", "--xla_gpu_autotune_level=4"),
        ("rocm", "--xla_gpu_deterministic_ops=false"),
        ("cuda", "--xla_gpu_deterministic_ops=true --xla_gpu_deterministic_ops=0"),
        ("cuda", "--xla_gpu_experimental_enable_fusion_autotuner"),
    ],
)
def test_a_gpu_without_the_flag_is_warned_of_once(platform, flags, monkeypatch):
    """With what to set."""
    monkeypatch.setattr(warn, "SAID", set())
    monkeypatch.setenv("XLA_FLAGS", flags)
    with warnings.catch_warnings(record=True) as said:
        warnings.simplefilter("always")
        warn_of_choices(platform)
        warn_of_choices(platform)
    (message,) = [str(one.message) for one in said]
    assert message == (
        "XLA chooses kernels on this GPU by how fast they were in this process, and one of them has made solves wrong "
        "(H200, jax 0.11.2). Set XLA_FLAGS=--xla_gpu_experimental_enable_fusion_autotuner=false; see the limits in "
        "soltrace's docs/reference/transformations.md."
    )


@pytest.mark.parametrize(
    ("platform", "flags"),
    [
        ("cpu", ""),
        ("tpu", ""),
        ("cuda", "--xla_gpu_enable_command_buffer= --xla_gpu_experimental_enable_fusion_autotuner=false"),
        ("cuda", "--xla_gpu_experimental_enable_fusion_autotuner=0"),
        ("cuda", "--xla_gpu_deterministic_ops=true"),
        ("cuda", "--xla_gpu_deterministic_ops"),
    ],
)
def test_nobody_else_is(platform, flags, monkeypatch):
    """Warnings are errors here."""
    monkeypatch.setattr(warn, "SAID", set())
    monkeypatch.setenv("XLA_FLAGS", flags)
    warn_of_choices(platform)
    assert set() == warn.SAID
