"""What commands check before they begin: values of options, directories, collectors.

A check of the world returns what is wrong, to be said after the command's name, or None.
"""

import argparse
import importlib.util
import os
import socket
from collections.abc import Callable
from pathlib import Path
from typing import Final
from urllib.parse import urlsplit

OTLP_ENDPOINT: Final = "http://localhost:4318"
"""Where a collector listens by OpenTelemetry's convention, for OTLP over HTTP."""
_PORTS: Final = {"http": 80, "https": 443}
_PATIENCE_S: Final = 2.0
_MOST_DIGITS: Final = 18
"""More do not fit into the machine's integers, in which Python counts what it holds."""


def endpoint(text: str) -> str:
    """Check the address of a collector: an argparse type."""
    try:
        parts = urlsplit(text)
        fits = parts.scheme in _PORTS and parts.hostname and parts.port != 0
    except ValueError:  # of the port, and of a bracket that is not closed
        fits = False
    if not fits:
        raise argparse.ArgumentTypeError(f"must be a URL like {OTLP_ENDPOINT}, got {text!r}")
    return text


def count(least: int = 0) -> Callable[[str], int]:
    """Make an argparse type that reads how many of something are wanted.

    Args:
        least: The smallest count that makes sense.
    """

    def read(text: str) -> int:
        # Not `int` alone, which also takes 1_000, +3 and the digits of all alphabets.
        if not (text.isascii() and text.isdigit()) or len(text) > _MOST_DIGITS or int(text) < least:
            wanted = f" of at least {least}" if least else ""
            raise argparse.ArgumentTypeError(f"must be a whole number{wanted}, got {text!r}")
        return int(text)

    return read


def missing_exporter() -> str | None:
    """Check that OpenTelemetry's exporters (the extra `otlp`) are installed."""
    try:
        found = importlib.util.find_spec("opentelemetry.exporter.otlp.proto.http")
    except ModuleNotFoundError:
        found = None
    return None if found else "needs OpenTelemetry's exporters, not installed here: pip install 'soltrace[otlp]'"


def deaf(address: str) -> str | None:
    """Check that a collector listens at an address."""
    parts = urlsplit(address)
    try:
        socket.create_connection((parts.hostname, parts.port or _PORTS[parts.scheme]), timeout=_PATIENCE_S).close()
    except OSError as error:
        return f"nobody listens at {address} ({error.strerror or error})"
    return None


def unfit_directory(directory: Path) -> str | None:
    """Check that a directory can be written into, and make it if it is not there."""
    try:
        directory.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        return f"cannot make {directory}: {error.strerror}"
    return None if os.access(directory, os.W_OK) else f"cannot write into {directory}"
