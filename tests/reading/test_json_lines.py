import io
from pathlib import Path

from soltrace.reading.files.source import LogEntry
from soltrace.reading.json_lines import JsonView
from soltrace.reading.parse import parse


def entries(*lines: bytes) -> list[LogEntry]:
    """Lines as a follower gives them."""
    return [LogEntry(parse(line), line, Path("run.jsonl"), i) for i, line in enumerate(lines, 1)]


def test_lines_pass_byte_for_byte():
    """A pipe gets what stands in the log."""
    out = io.BytesIO()
    lines = [b'{"event": "pass.paused",  "name": "\xc2\x9b\xe2\x80\xae"}', b'{"event":"x"}\r']

    JsonView(out, terminal=False).feed(entries(*lines))

    assert out.getvalue() == b"".join(line + b"\n" for line in lines)


def test_a_terminal_gets_escapes():
    """What a terminal would obey is written as JSON's own escapes."""
    out = io.BytesIO()

    JsonView(out, terminal=True).feed(entries(b'{"event":\t"x", "name": "\xc2\x9b2J\xe2\x80\xae \xc3\xa4"}\r'))

    assert out.getvalue().decode() == '{"event": "x", "name": "\\u009b2J\\u202e ä"} \n'
