"""`soltrace formats`: teaches lnav and hl to read the log well. `jq`, DuckDB, pandas and polars need nothing."""

import argparse
import os
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from importlib import resources
from pathlib import Path
from typing import Final

_USAGE_ERROR: Final = 2

_DESCRIPTION: Final = """\
Install what a log viewer needs to read soltrace's log well: a format for lnav, settings for hl. Other programs that
read JSON lines (jq, DuckDB, pandas, polars, VictoriaLogs, a collector's filelog receiver) need nothing."""
_EPILOG: Final = """\
examples:
  soltrace formats lnav           lnav then shows what solves do, and takes SQL: SELECT * FROM soltrace_log
  soltrace formats hl             hl then shows events as messages: HL_CONFIG=~/.config/hl/soltrace.toml hl run.jsonl
  soltrace formats lnav --print   write it to stdout instead

exit status: 0, 2 if the file can't be written"""


@dataclass(frozen=True)
class _Viewer:
    """A log viewer, and where it looks for such a file."""

    file: str
    target: Callable[[Mapping[str, str], Path], Path]


def _lnav(environ: Mapping[str, str], home: Path) -> Path:
    # As lnav looks for its directory itself.
    config = Path(environ.get("XDG_CONFIG_HOME") or home / ".config")
    directory = config / "lnav" if config.is_dir() and not (home / ".lnav").is_dir() else home / ".lnav"
    return directory / "formats" / "installed" / "soltrace.json"


def _hl(environ: Mapping[str, str], home: Path) -> Path:
    # Not its config.toml, which is the user's.
    return Path(environ.get("XDG_CONFIG_HOME") or home / ".config") / "hl" / "soltrace.toml"


_VIEWERS: Final = {"lnav": _Viewer("lnav.json", _lnav), "hl": _Viewer("hl.toml", _hl)}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare what `soltrace formats` takes."""
    parser.description, parser.epilog = _DESCRIPTION, _EPILOG
    parser.add_argument("viewer", choices=tuple(_VIEWERS), help="whom to tell")
    parser.add_argument("--print", action="store_true", help="write it to stdout, and install nothing")


def run(args: argparse.Namespace) -> int:
    """Do what `soltrace formats` does."""
    viewer = _VIEWERS[args.viewer]
    text = resources.files("soltrace").joinpath("formats", viewer.file).read_text(encoding="utf-8")
    if args.print:
        sys.stdout.write(text)
        return 0
    target = viewer.target(os.environ, Path.home())
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_text(text, encoding="utf-8")
    except OSError as error:
        print(f"soltrace formats: cannot write {target}: {error.strerror}", file=sys.stderr)
        return _USAGE_ERROR
    print(f"soltrace: wrote {target}", file=sys.stderr)
    return 0
