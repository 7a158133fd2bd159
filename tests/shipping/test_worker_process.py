"""What a worker of `soltrace ship` says of what it does."""

import importlib.util
from contextlib import suppress
from pathlib import Path
from types import SimpleNamespace

import pytest

from soltrace.shipping import worker_process
from soltrace.shipping.sender import SIGNALS, Sender
from soltrace.shipping.worker_process import Orders

_spec = importlib.util.spec_from_file_location("sample_logs", Path(__file__).parents[1] / "reading" / "conftest.py")
_samples = importlib.util.module_from_spec(_spec)
_spec.loader.exec_module(_samples)


class Interrupted:
    """Says to go on, as often as it is told to be asked."""

    def __init__(self, times):
        self.times = times

    def check(self):
        self.times -= 1
        if self.times < 0:
            raise worker_process._StopError


@pytest.mark.parametrize(
    "follow,asked,sent",
    [(False, 1, (0, 0)), (False, 2, (3, 0)), (True, 1, (3, 0)), (True, 2, (3, 1))],
    ids=["before", "between logs and traces", "likewise, as it follows", "after"],
)
def test_what_was_sent_before_an_interruption_is_said(collector, follow, asked, sent, tmp_path):
    """Whatever it was at: the summary counts what has arrived."""
    log, path, said = _samples.Log(), tmp_path / "run.jsonl", []
    log.append(path, log.opened(0), log.started(1), log.ended(2))
    orders, life = Orders(collector.address, None, 1.0, False, follow, SIGNALS), Interrupted(asked)
    coming = [path]
    pipe = SimpleNamespace(send=said.append, recv=coming.pop, poll=lambda timeout_s: bool(coming))
    sender = Sender(collector.address, 1.0, life.check)
    life.times += follow  # it asks once before there is any log
    with suppress(worker_process._StopError):
        (worker_process._follow if follow else worker_process._each)(pipe, orders, sender, life.check)
    sender.close()
    counts = said[-1].counts if said else None
    assert (len(collector.log_records), len(collector.spans)) == sent
    assert sent == (0, 0) if counts is None else (counts.log_records, counts.spans) == sent


def test_what_is_gone_before_it_is_read_is_said(collector, tmp_path):
    """Once each, however often one looks: a first part that was removed meanwhile, and one in the middle."""
    log, first, said = _samples.Log(), tmp_path / "run.jsonl", []
    for number in (2, 4):
        log.append(tmp_path / f"run.part{number:04}.jsonl", log.opened(number), log.started(number), log.ended(number))
    orders = Orders(collector.address, None, 0.0, False, True, SIGNALS)
    coming, looks = [None, first], iter([True, False, False, False, True])
    pipe = SimpleNamespace(send=said.append, recv=coming.pop, poll=lambda timeout_s: next(looks))
    sender = Sender(collector.address, 1.0, lambda: None)
    worker_process._follow(pipe, orders, sender, lambda: None)
    sender.close()
    assert [told.problem for told in said if told.problem] == [
        f"{first}: it was gone before it was read, and is not shipped",
        f"{tmp_path}/run.part0004.jsonl: the part of its log before this one is missing, and is not shipped",
    ]
    assert (said[-1].counts.missing, said[-1].counts.log_records, len(collector.log_records)) == (2, 6, 6)
