"""Sends requests over OTLP/HTTP, one after the other on one connection, and again until they are acknowledged."""

import gzip
import http.client
import os
import time
from collections.abc import Callable, Mapping
from typing import Final, Literal, TypeAlias
from urllib.parse import unquote, urlsplit

SentSignal: TypeAlias = Literal["logs", "traces", "metrics"]
SIGNALS: Final[tuple[SentSignal, ...]] = ("logs", "traces")
"""What is sent unless other signals are asked for: many backends take no metrics, or no old ones."""
_AGAIN: Final = frozenset({429, 502, 503, 504})
"""Answers after which OTLP has a request sent again."""
_OK: Final = range(200, 300)
_TIMEOUT_S: Final = 30.0
_FIRST_WAIT_S: Final = 0.1
_LONGEST_WAIT_S: Final = 5.0
_SAID_AT_MOST: Final = 200
"""Characters of an answer that are quoted."""


class NotSentError(Exception):
    """A request was not acknowledged, and is not sent again now."""


class Sender:
    """Sends to one collector.

    Args:
        endpoint: Its address, without the path of a signal.
        patience_s: For how long a request is sent again, in seconds.
        still: Is called before each attempt, and raises if nothing is to be sent any more.
        environ: Variables: `OTEL_EXPORTER_OTLP_HEADERS` and `OTEL_EXPORTER_OTLP_COMPRESSION` count.
    """

    def __init__(
        self,
        endpoint: str,
        patience_s: float,
        still: Callable[[], None],
        environ: Mapping[str, str] = os.environ,
    ) -> None:
        self.endpoint, self._patience_s, self._still = endpoint, patience_s, still
        address = urlsplit(endpoint)
        self._path = address.path.rstrip("/")
        kind = http.client.HTTPSConnection if address.scheme == "https" else http.client.HTTPConnection
        self._connection = kind(address.hostname or "", address.port, timeout=_TIMEOUT_S)
        self._zipped = environ.get("OTEL_EXPORTER_OTLP_COMPRESSION", "").strip() == "gzip"
        self._headers = {"Content-Type": "application/x-protobuf", **_headers(environ)}
        if self._zipped:
            self._headers["Content-Encoding"] = "gzip"

    def send(self, signal: SentSignal, body: bytes) -> bytes:
        """Send a request, and return the body of its acknowledgement.

        Raises:
            NotSentError: It was refused, or nobody has answered for as long as patience lasts.
        """
        data = gzip.compress(body, compresslevel=1) if self._zipped else body
        deadline, wait_s = time.monotonic() + self._patience_s, _FIRST_WAIT_S
        while True:
            self._still()
            try:
                status, answer, after_s = self._post(signal, data)
            except (OSError, http.client.HTTPException) as error:
                self._connection.close()
                problem, after_s = f"{error}" or type(error).__name__, None
            else:
                if status in _OK:
                    return answer
                problem = f"{status} {answer[:_SAID_AT_MOST].decode(errors='replace')}".strip()
                if status not in _AGAIN:
                    raise NotSentError(f"{self.endpoint} refuses {signal}: {problem}")
            if time.monotonic() + wait_s > deadline:
                raise NotSentError(f"{self.endpoint} does not take {signal}: {problem}")
            time.sleep(wait_s if after_s is None else min(after_s, _LONGEST_WAIT_S))
            wait_s = min(2 * wait_s, _LONGEST_WAIT_S)

    def _post(self, signal: SentSignal, data: bytes) -> tuple[int, bytes, float | None]:
        self._connection.request("POST", f"{self._path}/v1/{signal}", data, self._headers)
        response = self._connection.getresponse()
        after = response.headers.get("Retry-After", "")
        return response.status, response.read(), float(after) if after.isdecimal() else None

    def close(self) -> None:
        """Close the connection."""
        self._connection.close()


def _headers(environ: Mapping[str, str]) -> dict[str, str]:
    pairs = (pair.partition("=") for pair in environ.get("OTEL_EXPORTER_OTLP_HEADERS", "").split(","))
    return {name.strip(): unquote(value.strip()) for name, equals, value in pairs if equals and name.strip()}
