"""The JSON schema of a line of the log, generated from the record types. `python -m soltrace.wire.schema` writes it.

Shipped as `soltrace/wire/schema.json`, for those who check or read logs without Python.
"""

import inspect
import json
from pathlib import Path
from typing import Any, Final

import msgspec

from soltrace.wire.records import SCHEMA_VERSION, AnyRecord

FILE: Final = Path(__file__).with_name("schema.json")
"""Where it is shipped."""
TIMESTAMP: Final = r"^\d{4}-\d{2}-\d{2}T\d{2}:\d{2}:\d{2}\.\d{6}Z$"
"""The form of a timestamp. Stricter than the type: UTC and six digits, so that lines sort as text."""


def schema() -> dict[str, Any]:
    """Make the schema: one object per event, told apart by `event`."""
    (line,), definitions = msgspec.json.schema_components([AnyRecord], ref_template="#/$defs/{name}")
    for definition in definitions.values():
        definition["description"] = inspect.cleandoc(definition["description"])
        properties = definition["properties"]
        if "timestamp" in properties:
            del properties["context"]  # each of its names is a key of its own, which may be any
            properties["timestamp"] |= {"pattern": TIMESTAMP}
            properties["schema"] = {"const": SCHEMA_VERSION, "description": "Version of the format."}
            definition["required"] = sorted({*definition["required"], "event", "level", "schema"})
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "soltrace log line",
        **line,
        "$defs": definitions,
    }


def text() -> str:
    """Return the schema as it stands in the file."""
    return json.dumps(schema(), indent=2) + "\n"


if __name__ == "__main__":
    FILE.write_text(text(), encoding="utf-8")
