import subprocess
import sys

from soltrace.export.registry import Exports


class Recorded:
    """Exports nothing, and remembers what it was asked."""

    def __init__(self, answer):
        self.answer = answer
        self.asked = []

    def own_meter_provider(self):
        self.asked.append("own_meter_provider")
        return self.answer

    def flush(self, timeout_s):
        self.asked.append(("flush", timeout_s))
        return self.answer

    def stop(self, timeout_s, within_s):
        self.asked.append(("stop", timeout_s, within_s))


def test_until_something_registers_there_is_nothing_to_wait_for():
    """Nobody who asks needs to know whether anything is exported."""
    exports = Exports()
    assert (exports.flush(1.0), exports.stop(1.0, 2.0), exports.own_meter_provider()) == (True, None, None)


def test_what_has_registered_is_asked():
    """It answers, however often it has registered."""
    exports, recorded = Exports(), Recorded(answer=False)
    for _ in range(2):
        exports.register(recorded)
    assert (exports.flush(1.0), exports.stop(2.0, 3.0), exports.own_meter_provider()) == (False, None, False)
    assert recorded.asked == [("flush", 1.0), ("stop", 2.0, 3.0), "own_meter_provider"]


def test_asking_imports_nothing_of_opentelemetry():
    """A program that exports nothing does not pay for it."""
    program = "import sys; from soltrace.export.registry import EXPORTS; EXPORTS.flush(1.0); print(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert [name for name in done.stdout.split() if name.startswith("opentelemetry")] == []


def test_setting_up_a_provider_registers_it(run):
    """Here, the environment asks for one."""
    program = """
from soltrace.export.registry import EXPORTS
print(EXPORTS.own_meter_provider())
solve()
from soltrace.export.providers import SDK_PROVIDERS
from opentelemetry import metrics
print(EXPORTS._exporting is SDK_PROVIDERS, EXPORTS.own_meter_provider() is metrics.get_meter_provider())
"""
    done = run(program, OTEL_METRICS_EXPORTER="otlp", OTEL_EXPORTER_OTLP_ENDPOINT="http://127.0.0.1:1")
    assert done.stdout == "None\nTrue True\n"
