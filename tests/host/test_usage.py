import json
import sys
import time
from importlib.machinery import ModuleSpec
from types import ModuleType, SimpleNamespace
from typing import ClassVar

import numpy as np
import pytest
from msgspec import UNSET

import soltrace
from soltrace.host.accelerators import Gpus
from soltrace.host.usage import UsageReader
from soltrace.wire.losses import Loss, Losses, What, Why


class Hand:
    """A clock, and a process, that go on when they are told to."""

    now = 100.0
    had_s = 7.0


@pytest.fixture
def hand():
    return Hand()


@pytest.fixture
def reader(hand, monkeypatch):
    """A reader of a process with four processors, that is asked every five seconds; takes the devices of its jax."""
    monkeypatch.setattr("os.sched_getaffinity", lambda _: {0, 2, 4, 6})

    def make(*devices, losses=None):
        jax = SimpleNamespace(local_devices=lambda: devices) if devices else None
        return UsageReader(
            5.0,
            losses or Losses(),
            monotonic=lambda: hand.now,
            process_s=lambda: hand.had_s,
            find_jax=lambda: jax,
        )

    return make


def device(platform="cpu", **told):
    return SimpleNamespace(platform=platform, memory_stats=lambda: told or None)


def test_memory_is_what_is_resident_now():
    """It grows with an array that is written to, and falls again."""
    usage = UsageReader(5.0, Losses(), monotonic=iter(range(100)).__next__)
    before = usage().memory_bytes
    array = np.ones(1 << 26, np.uint8)
    during = usage().memory_bytes
    del array
    after = usage().memory_bytes
    assert during - before > 60e6
    assert during - after > 60e6


def test_processors_are_a_share_since_the_last_time(reader, hand):
    """Of those that the process may use; not known the first time, nor when nobody asked for long."""
    usage = reader()
    shares = [usage().cpu_utilization]
    for elapsed_s, worked_s in ((5.0, 10.0), (5.0, 0.0), (10.0, 40.0), (13.0, 13.0), (5.0, 5.0)):
        hand.now += elapsed_s
        hand.had_s += worked_s
        shares.append(usage().cpu_utilization)
    assert shares == [UNSET, 0.5, 0.0, 1.0, UNSET, 0.25]


def test_heartbeats_at_about_the_same_time_share_an_answer(reader, hand):
    """A share of a moment would say nothing."""
    usage = reader()
    first = usage()
    hand.now += 0.9
    assert usage() is first
    hand.now += 0.1
    assert usage() is not first


def test_the_memory_of_devices_is_added_up(reader):
    """Where all tell, as accelerators do; a CPU tells nothing."""
    gpu = device(bytes_in_use=3, bytes_limit=80, peak_bytes_in_use=9)
    for devices, told in (
        ([gpu, gpu], (6, 160)),
        ([gpu, device(bytes_in_use=1)], (4, UNSET)),
        ([device()], (UNSET, UNSET)),
        ([], (UNSET, UNSET)),
    ):
        usage = reader(*devices)()
        assert (usage.device_memory_bytes, usage.device_memory_limit_bytes) == told


def test_a_backend_that_can_not_tell_is_asked_once(reader, hand):
    """That is counted, and all else is told as ever."""
    losses, asked = Losses(), []

    def refuse():
        asked.append(True)
        raise NotImplementedError("no statistics")

    usage = reader(SimpleNamespace(platform="tpu", memory_stats=refuse), losses=losses)
    for _ in range(3):
        assert usage().memory_bytes > 0
        hand.now += 5.0
    assert len(asked) == 1
    assert losses.take() == [Loss(What.USAGE, Why.RAISED, "NotImplementedError: no statistics", 1)]


class Nvml(ModuleType):
    """NVIDIA's library, of a node with four GPUs; number 2 is also known by a name."""

    opened = 0
    rates: ClassVar = [10, 20, 30, 40]

    def nvmlInit(self):  # noqa: N802 - its own name
        self.opened += 1

    def __getattr__(self, name):
        answers = {
            "nvmlDeviceGetCount": lambda: 4,
            "nvmlDeviceGetHandleByIndex": lambda index: index,
            "nvmlDeviceGetHandleByUUID": {"GPU-7": 2}.__getitem__,
            "nvmlDeviceGetUtilizationRates": lambda handle: SimpleNamespace(gpu=self.rates[handle], memory=1),
        }
        if name not in answers:
            raise AttributeError(name)
        return answers[name]


@pytest.mark.parametrize("visible, busy", [(None, 0.25), ("3", 0.4), ("0,1", 0.15), ("GPU-7, 3", 0.35)], ids=repr)
def test_how_busy_the_visible_gpus_are(visible, busy, monkeypatch):
    """On average, by NVML, which is opened once; nothing is asked where jax computes on a CPU."""
    nvml = Nvml("pynvml")
    nvml.__spec__ = ModuleSpec("pynvml", None)
    monkeypatch.setitem(sys.modules, "pynvml", nvml)
    gpus = Gpus({} if visible is None else {"CUDA_VISIBLE_DEVICES": visible})
    assert (gpus.busy([device()]), nvml.opened) == (UNSET, 0)
    assert [gpus.busy([device("gpu")]) for _ in range(2)] == [pytest.approx(busy)] * 2
    assert nvml.opened == 1


def test_without_nvml_nothing_is_said_of_gpus(monkeypatch):
    """It is no dependency."""
    monkeypatch.setitem(sys.modules, "pynvml", None)
    assert Gpus().busy([device("gpu")]) is UNSET


def test_heartbeats_tell_it(program, tmp_path):
    """In the log of a run, by default; later ones its processors too."""
    soltrace.configure(directory=tmp_path, heartbeat_s=0.6)
    program.start()
    (log,) = tmp_path.glob("*.jsonl")
    deadline = time.monotonic() + 30
    while "cpu_utilization" not in (lines := log.read_text(encoding="utf-8")):
        assert time.monotonic() < deadline
        time.sleep(0.05)
    first, *_, last = [json.loads(line)["usage"] for line in lines.splitlines() if "pass.heartbeat" in line]
    assert first.keys() == {"memory_bytes"}
    assert last.keys() == {"memory_bytes", "cpu_utilization"}
    assert 10e6 < last["memory_bytes"] < 1e12
    assert 0.0 <= last["cpu_utilization"] <= 1.0
