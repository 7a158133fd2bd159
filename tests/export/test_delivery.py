import logging
import sys
import threading

import pytest
from opentelemetry.sdk.trace.export import SpanExporter, SpanExportResult

from soltrace.export.delivery import Delivery
from soltrace.wire.losses import What

LOG = logging.getLogger(__name__)


class Exporter(SpanExporter):
    """Logs why it fails, as the SDK's exporters do."""

    def __init__(self):
        self.fails = False
        self.shut = 0

    def export(self, spans):
        if self.fails == "badly":
            raise OSError("no route")
        if self.fails:
            LOG.warning("Transient error %s", "refused")
            LOG.error("Failed")
        return SpanExportResult.FAILURE if self.fails else SpanExportResult.SUCCESS

    def shutdown(self):
        self.shut += 1


@pytest.fixture
def delivery():
    return Delivery(Exporter, What.SPAN)


def test_an_outage_is_said_once(delivery, caplog):
    """The warning quotes what the exporter logged first. Its end is reported too; the exporter's own log is not."""
    caplog.set_level(logging.INFO)
    assert delivery([])
    delivery.exporter.fails = True
    assert [delivery([]) for _ in range(3)] == [False] * 3
    delivery.exporter.fails = False
    assert [delivery([]) for _ in range(2)] == [True] * 2
    assert [(record.levelname, record.getMessage()) for record in caplog.records] == [
        ("WARNING", "soltrace: spans are not exported: Transient error refused. What is lost is counted; solves go on"),
        ("INFO", "spans are exported again"),
    ]


def test_an_exporter_that_raises_is_a_failure(delivery, caplog):
    """The warning says what was raised, and nothing propagates."""
    delivery.exporter.fails = "badly"
    assert not delivery([])
    assert [record.getMessage() for record in caplog.records] == [
        "soltrace: spans are not exported: OSError: no route. What is lost is counted; solves go on"
    ]


def test_an_exporter_that_quits_is_a_failure(delivery):
    """On a thread of ours nothing that is raised can be Ctrl-C."""
    delivery.exporter.export = sys.exit
    delivered = []
    thread = threading.Thread(target=lambda: delivered.append(delivery([])))
    thread.start()
    thread.join()
    assert delivered == [False]


def test_an_exporter_that_returns_nothing_has_delivered():
    """The SDK's own processors see it that way."""

    class Silent(Exporter):
        def export(self, spans):
            pass

    assert Delivery(Silent, What.SPAN)([])


def test_what_is_given_up_is_said_unless_the_outage_was(delivery, caplog):
    """An outage is reported once, whether it is noticed at the end of the process or before."""
    delivery.given_up(3, 5.0)
    delivery.exporter.fails = True
    delivery([])
    delivery.given_up(4, 5.0)
    said = [record.getMessage() for record in caplog.records]
    assert said == ["soltrace: 3 x span not exported within 5 s: no answer"]


def test_what_others_log_meanwhile_goes_on(delivery, caplog):
    """A program that uses the same library itself still sees its log."""
    exporting, logged = threading.Event(), threading.Event()

    class Slow(Exporter):
        def export(self, spans):
            exporting.set()
            logged.wait(10)
            return super().export(spans)

    thread = threading.Thread(target=Delivery(Slow, What.SPAN), args=([],))
    thread.start()
    assert exporting.wait(10)
    LOG.warning("the program's own")
    logged.set()
    thread.join()
    assert [record.getMessage() for record in caplog.records] == ["the program's own"]


def test_the_child_of_a_fork_has_an_exporter_of_its_own(run):
    """It shares no connection with its parent, and does not close the parent's."""
    program = """
import os
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from soltrace.export.delivery import Delivery
from soltrace.wire.losses import What
delivery = Delivery(InMemorySpanExporter, What.SPAN)
parents = delivery.exporter
if (child := os.fork()) == 0:
    delivery.shut_down()
    print(delivery([]), delivery.exporter is parents, parents._stopped, flush=True)
    os._exit(0)
print(os.waitpid(child, 0)[1], delivery([]), delivery.exporter is parents)
"""
    done = run(program, "-W", "ignore::DeprecationWarning")  # of forks, from Python 3.12 on
    assert done.stdout == "True False False\n0 True True\n"


def test_shutting_down_is_passed_on(delivery):
    """If that fails, nothing is lost by it."""
    delivery.shut_down()
    assert delivery.exporter.shut == 1
    delivery.exporter.shutdown = None
    delivery.shut_down()
