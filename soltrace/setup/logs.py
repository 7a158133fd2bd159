"""The log of a run: what it is called, and which file it is.

Host side, on the thread of whoever configures or solves first. Whatever fails here is a warning, and the solve goes on.
"""

import os
import re
import shlex
import socket
import threading
import uuid
from collections.abc import Mapping
from contextlib import ExitStack
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Final

from soltrace.host.bounded import within
from soltrace.setup.log_plan import LogPlan, log_plan
from soltrace.setup.settings import Settings
from soltrace.sinks import Sink
from soltrace.wire.log_names import ENDING, NODE, OVER_OTLP
from soltrace.wire.records import Attribute
from soltrace.wire.warn import SAID, say, warn

if TYPE_CHECKING:
    from soltrace.sinks.json_log import JsonLog

ANSWER_S: Final = 5.0
"""How long a file system may take to open a log; a solve waits for it. One that is mounted when it is asked for takes
a second or two."""
_LETTERS_AT_MOST: Final = 64
"""Of a host or a job in a name. A file system takes 255 bytes."""
_OF_AN_EXPERIMENT: Final = 24
"""Each line says the name of its run three times."""
_PLACES: Final = {"job": "job", "array_task": "task", "rank": "rank", "restart": "restart"}
"""What a name says of a scheduler's facts, and how."""


def log(
    settings: Settings, where: Mapping[str, Attribute], experiment: str | None, undo: ExitStack
) -> tuple[str, list[Sink]]:
    """Make the id of this run, and its log: the run is named like its file, unless that is the node's.

    Args:
        settings: what was configured.
        where: the facts of the log's first line.
        experiment: what the run begins with.
        undo: takes the file away again.
    """
    stem = f"{datetime.now(UTC):%Y%m%dT%H%M%SZ}-{_named(experiment or '')}{_place(where)}-{os.getpid()}"
    if not settings.json_log:
        return stem, []
    if settings.logger is not None:
        from soltrace.sinks.json_log import LoggerLog

        return stem, [LoggerLog(settings.logger)]
    directory, plan = settings.log_directory(), log_plan(settings)
    name = f"{_node(where) if plan.one_a_node else stem}{OVER_OTLP if _logs_go_out(settings) else ENDING}"
    try:
        found = _within(plan, directory, stem, name)
    except OSError as error:
        warn(f"no JSON log: can't write into {directory}: {error.strerror}. Choose another: configure(directory=...).")
        return stem, []
    if found is None:
        warn(f"no JSON log: {directory} has not answered for {ANSWER_S:g} s. Choose another: configure(directory=...).")
        return stem, []
    stem, sink = found
    if not plan.one_a_node:
        undo.callback(sink.target.path.unlink)
    undo.callback(sink.close)
    if settings.directory is None and "directory" not in SAID:
        SAID.add("directory")
        place = directory.absolute()  # who reads this may be elsewhere
        say(f"logging to {sink.target.path}; follow it with: soltrace tail {shlex.quote(str(place))}")
    return stem, [sink]


def _within(plan: LogPlan, directory: Path, stem: str, name: str) -> "tuple[str, JsonLog] | None":
    """Open the log as `_opened` does, but wait no longer than `ANSWER_S`; what is there later is closed again."""
    given_up = threading.Event()

    def opened() -> "tuple[str, JsonLog]":
        run_id, sink = _opened(plan, directory, stem, name)
        if given_up.is_set():
            sink.close()
            if not plan.one_a_node:
                sink.target.path.unlink()
        return run_id, sink

    found = within(opened, ANSWER_S)
    if found is None:
        given_up.set()
    return found


def _opened(plan: LogPlan, directory: Path, stem: str, name: str) -> "tuple[str, JsonLog]":
    """Open the log; return the id of the run too."""
    from soltrace.sinks.json_log import fresh_file, shared_file

    if not plan.one_a_node:
        ending = name.removeprefix(stem)
        return fresh_file(directory, stem, ending, bytes_at_most=plan.bytes_at_most, sync_s=plan.sync_s)
    sink = shared_file(directory / name, bytes_at_most=plan.bytes_at_most, sync_s=plan.sync_s)
    # No file of its own says that the name is free: in containers, process 7 of a host may be several.
    return f"{stem}-{uuid.uuid4().hex[:6]}", sink


def _node(where: Mapping[str, Attribute]) -> str:
    """Name the log of a node, by what all who write to it know."""
    return f"{NODE}{_place({fact: where[fact] for fact in ('job',) if fact in where})}"


def _place(where: Mapping[str, Attribute]) -> str:
    """Say where a run is, in a name: the host, and what a scheduler calls its job, its task and its rank."""
    return "-".join([_letters(socket.gethostname()), *scheduled_place(where)])


def scheduled_place(where: Mapping[str, Attribute]) -> list[str]:
    """Say in a name what a scheduler calls a run: its job, its task, its rank and its restart, as far as they are."""
    return [_letters(f"{name}{where[fact]}") for fact, name in _PLACES.items() if fact in where]


def _named(experiment: str) -> str:
    """Say what a run is, in a name: its experiment, as far as that is made of letters that any file system takes."""
    letters = _letters(experiment).strip("-.")[:_OF_AN_EXPERIMENT].rstrip("-.")
    return f"{letters}-" if letters else ""


def _letters(text: str) -> str:
    return re.sub(r"[^A-Za-z0-9.]+", "-", text)[:_LETTERS_AT_MOST]


def _logs_go_out(settings: Settings) -> bool:
    from soltrace.export.environment import exporters

    asked = settings.logger_provider is not None or exporters("logs", settings.otlp_endpoint)
    return settings.logs and bool(asked)
