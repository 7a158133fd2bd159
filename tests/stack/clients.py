"""Ask the real servers what arrived. Every question is asked until there is an answer, or until a deadline.

What comes back at the deadline is returned as it is, so that the test says what is missing.
"""

import json
import time
import urllib.parse
import urllib.request
from collections.abc import Callable
from typing import Any, TypeVar

Item = TypeVar("Item")
ANSWERS_WITHIN_S = 30.0


def until(ask: Callable[[], list[Item]], at_least: int, timeout_s: float = ANSWERS_WITHIN_S) -> list[Item]:
    """Ask until the answer has so many items."""
    deadline = time.monotonic() + timeout_s
    while len(answer := ask()) < at_least and time.monotonic() < deadline:
        time.sleep(0.1)
    return answer


class Client:
    """What each has: where its server is, and how to ask it."""

    def __init__(self, url: str) -> None:
        self.url = url

    def get(self, path: str, **parameters: Any) -> bytes:
        """One question, one answer. An HTTP error is raised: the question is wrong."""
        question = f"{self.url}{path}?{urllib.parse.urlencode(parameters)}"
        with urllib.request.urlopen(question, timeout=10) as answer:
            return answer.read()


class Jaeger(Client):
    """Its query API."""

    def services(self, at_least: int = 1) -> list[str]:
        return until(lambda: json.loads(self.get("/api/services"))["data"] or [], at_least)

    def traces(self, service: str, at_least: int = 1, **parameters: Any) -> list[dict[str, Any]]:
        """Traces as Jaeger tells them. `tags='{"soltrace.phase":"backward"}'` chooses some."""
        asked = {"service": service, "limit": 1000, "start": 0, "end": 2**62 // 1000} | parameters
        return until(lambda: json.loads(self.get("/api/traces", **asked))["data"], at_least)

    def spans(self, service: str, at_least: int = 1, **parameters: Any) -> list[dict[str, Any]]:
        """Spans of all traces of a service, by their start; their tags as a dictionary."""

        def ask() -> list[dict[str, Any]]:
            spans = [span for trace in self.traces(service, 0, **parameters) for span in trace["spans"]]
            named = [span | {"tags": {tag["key"]: tag["value"] for tag in span["tags"]}} for span in spans]
            return sorted(named, key=lambda span: span["startTime"])

        return until(ask, at_least)


class Prometheus(Client):
    """Its query API. Instant queries, at the time of the question."""

    def query(self, promql: str, at_least: int = 1) -> list[tuple[dict[str, str], float]]:
        """The series that are there, with their labels and values."""

        def ask() -> list[tuple[dict[str, str], float]]:
            data = json.loads(self.get("/api/v1/query", query=promql))["data"]
            results = data["result"] if data["resultType"] == "vector" else [{"metric": {}, "value": data["result"]}]
            return [(result["metric"], float(result["value"][1])) for result in results]

        return until(ask, at_least)

    def wait(self, promql: str) -> list[tuple[dict[str, str], float]]:
        """As `query`, but nothing is an error."""
        found = self.query(promql)
        assert found, f"Prometheus has nothing for {promql}"
        return found

    def exemplars(self, promql: str, at_least: int = 1) -> list[dict[str, Any]]:
        """Exemplars of the last hour."""
        now = time.time()
        asked = {"query": promql, "start": now - 3600, "end": now + 60}
        return until(lambda: json.loads(self.get("/api/v1/query_exemplars", **asked))["data"], at_least)


class VictoriaLogs(Client):
    """Its LogsQL API."""

    def query(self, logsql: str, at_least: int = 1) -> list[dict[str, str]]:
        """The records that match, oldest first, whenever they were; every value is a string there."""

        def ask() -> list[dict[str, str]]:
            found = [json.loads(line) for line in self.get("/select/logsql/query", query=logsql).splitlines()]
            return sorted(found, key=lambda record: record.get("_time", ""))

        return until(ask, at_least)
