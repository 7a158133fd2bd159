import inspect
import re

from soltrace.sinks import Sink
from soltrace.testing import capture


def test_the_sink_of_the_docstring_is_one(program, capsys):
    """Three methods are enough: it is handed every record, in order."""
    (example,) = re.findall("```python\n(.*?)```", inspect.getdoc(Sink) or "", re.DOTALL)
    namespace = {}
    exec(example, namespace)
    with capture(sinks=[namespace["PrintSink"]()]) as told:
        program.solve()
        records = told.records
    assert [record.flat["event"] for record in records] == ["pass.started", "pass.progress", "pass.ended"]
    assert capsys.readouterr().out.splitlines() == [str(record.flat) for record in records]
