"""The real servers: Jaeger, Prometheus, VictoriaLogs and the collector, with what docker-compose.yml runs them with.

Flags come from docker-compose.yml and configurations from dashboards/; only addresses, directories and one interval are
ours. The programs are made by `make servers`.
"""

import hashlib
import os
import random
import socket
import subprocess
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

from ruamel.yaml import YAML

from tests.stack.clients import Jaeger, Prometheus, VictoriaLogs

ROOT = Path(__file__).parents[2]
DASHBOARDS = ROOT / "dashboards"
PINS = {
    "jaeger": "jaeger",
    "jupyter-lab": "jupyter-lab",
    "marimo": "marimo",
    "mlflow": "mlflow",
    "otelcol": "otelcol",
    "prometheus": "prometheus",
    "promtool": "prometheus",
    "spark": "spark",
    "victoria-logs": "victoria-logs",
}
"""Each program, and the directory under scripts/servers/ that says what it is made of."""
STARTS_WITHIN_S = 60
STOPS_WITHIN_S = 20


def program(name: str) -> Path:
    """Find a server's program, made from the pins of this checkout."""
    cache = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    directory = Path(os.environ.get("SOLTRACE_SERVERS_DIR") or Path(cache, "soltrace", "servers"))
    path = directory / name
    pins = sorted((ROOT / "scripts" / "servers" / PINS[name]).iterdir())
    wanted = hashlib.sha256(b"".join(file.read_bytes() for file in pins)).hexdigest()
    stamp = directory / f"{name}.pins"
    if not path.exists() or not stamp.exists() or stamp.read_text().strip() != wanted:
        message = f"{path} is missing, or not made from scripts/servers/{PINS[name]}: run `make servers`"
        raise FileNotFoundError(message)
    return path


def flags(service: str, replaced: dict[str, Path]) -> list[str]:
    """What docker-compose.yml calls a service with, other paths put in place of the container's."""
    compose = YAML(typ="safe").load(ROOT / "docker-compose.yml")
    found = []
    for flag in compose["services"][service]["command"]:
        name, _, value = flag.partition("=")
        found.append(f"{name}={replaced.get(value, value)}" if value else name)
    return found


def free_ports(count: int) -> list[int]:
    """Ports that nobody listens on.

    Not port 0: the kernel would give the port of a server that is down for a moment to some connection. Ours lie below
    the range from which it gives. Not the seeded generator: every worker of the tests has the same seed.
    """
    found: list[int] = []
    while len(found) < count:
        port = random.SystemRandom().randrange(15000, 32000)
        with socket.socket() as probe:
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                continue
        if port not in found:
            found.append(port)
    return found


class Server:
    """One server: a process that can be stopped, killed and started again at the same place."""

    def __init__(self, arguments: list[str | Path], environment: dict[str, str], health: str, log: Path) -> None:
        self.arguments, self.environment, self.health, self.log = arguments, environment, health, log
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def is_running(self) -> bool:
        return self._process is not None and self._process.poll() is None

    @property
    def pid(self) -> int:
        """Its process."""
        assert self._process is not None
        return self._process.pid

    def start(self) -> None:
        """Start it, and wait until it says that it is healthy."""
        if self.is_running:
            return
        # setpriv has the kernel kill it when we are killed. Not a `preexec_fn`: that forks, and jax warns of forks.
        command = ["setpriv", "--pdeathsig", "KILL", *self.arguments]
        with self.log.open("ab") as log:
            environment = os.environ | self.environment
            self._process = subprocess.Popen(command, env=environment, stdout=log, stderr=log, stdin=subprocess.DEVNULL)
        deadline = time.monotonic() + STARTS_WITHIN_S
        while not self._is_healthy():
            if not self.is_running or time.monotonic() > deadline:
                self.kill()
                tail = self.log.read_text(errors="replace")[-3000:]
                raise RuntimeError(f"{self.arguments} did not become healthy:\n{tail}")
            time.sleep(0.05)

    def stop(self) -> None:
        """Have it end by itself, as `docker compose stop` does."""
        if self._process is not None:
            self._process.terminate()
            try:
                self._process.wait(STOPS_WITHIN_S)
            except subprocess.TimeoutExpired:
                self.kill()

    def kill(self) -> None:
        """End it, whatever it is about."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()

    def _is_healthy(self) -> bool:
        try:
            with urllib.request.urlopen(self.health, timeout=2) as answer:
                return answer.status == 200
        except (OSError, urllib.error.URLError):
            return False


@dataclass(frozen=True)
class Stack:
    """Everything that docker-compose.yml runs, but Grafana."""

    otlp_http: str
    """Where the collector takes OTLP over HTTP: `http://127.0.0.1:PORT`."""
    otlp_grpc: str
    """Where it takes it over gRPC."""
    log_directory: Path
    """From where it ships JSON logs."""
    jaeger: Jaeger
    prometheus: Prometheus
    logs: VictoriaLogs
    servers: dict[str, Server]
    """By their names in docker-compose.yml."""

    @property
    def collector(self) -> Server:
        return self.servers["collector"]

    def ensure_running(self) -> None:
        """Start again whatever a test has left down."""
        for server in self.servers.values():
            server.start()


PLACES = (
    "jaeger",
    "jaeger_grpc",
    "jaeger_otlp",
    "jaeger_health",
    "prometheus",
    "victorialogs",
    "otlp_grpc",
    "otlp_http",
    "collector_health",
)
"""What listens."""


def jaeger(at: dict[str, str], directory: Path) -> Server:
    return Server(
        [program("jaeger"), *flags("jaeger", {"/etc/jaeger/jaeger.yaml": DASHBOARDS / "jaeger.yaml"})],
        {
            "JAEGER_QUERY": at["jaeger"],
            "JAEGER_QUERY_GRPC": at["jaeger_grpc"],
            "JAEGER_OTLP": at["jaeger_otlp"],
            "JAEGER_HEALTH": at["jaeger_health"],
        },
        f"http://{at['jaeger_health']}/status",
        directory / "jaeger.log",
    )


def prometheus(at: dict[str, str], directory: Path) -> Server:
    replaced = {
        "/etc/prometheus/prometheus.yml": DASHBOARDS / "prometheus.yml",
        "/prometheus": directory / "prometheus",
    }
    return Server(
        [program("prometheus"), *flags("prometheus", replaced), f"--web.listen-address={at['prometheus']}"],
        {},
        f"http://{at['prometheus']}/-/ready",
        directory / "prometheus.log",
    )


def victoria_logs(at: dict[str, str], directory: Path) -> Server:
    replaced = {"/victoria-logs-data": directory / "victoria-logs"}
    return Server(
        [program("victoria-logs"), *flags("victorialogs", replaced), f"-httpListenAddr={at['victorialogs']}"],
        {},
        f"http://{at['victorialogs']}/health",
        directory / "victoria-logs.log",
    )


def collector(at: dict[str, str], directory: Path) -> Server:
    return Server(
        [program("otelcol"), *flags("collector", {"/etc/otelcol/otelcol.yaml": DASHBOARDS / "otelcol.yaml"})],
        {
            "OTELCOL_GRPC": at["otlp_grpc"],
            "OTELCOL_HTTP": at["otlp_http"],
            "OTELCOL_HEALTH": at["collector_health"],
            "OTELCOL_STATE": str(directory / "otelcol"),
            "OTELCOL_LOGS": str(directory / "runs"),
            "OTELCOL_SPAN_METRICS_INTERVAL": "1s",
            "OTELCOL_TO_JAEGER": at["jaeger_otlp"],
            "OTELCOL_TO_PROMETHEUS": f"http://{at['prometheus']}",
            "OTELCOL_TO_VICTORIALOGS": f"http://{at['victorialogs']}",
        },
        f"http://{at['collector_health']}",
        directory / "collector.log",
    )


def chained(name: str, at: dict[str, str], directory: Path, **environment: str) -> Server:
    """Make a collector that docker-compose.yml does not have: `agent` or `gateway` of a cluster, or what reads `files`.

    Args:
        name: Which.
        at: Where it listens: `grpc`, `http` and `health`.
        directory: Where its state and its log are.
        environment: Where it sends to.
    """
    return Server(
        [program("otelcol"), f"--config={DASHBOARDS / f'otelcol-{name}.yaml'}"],
        {
            "OTELCOL_GRPC": at["grpc"],
            "OTELCOL_HTTP": at["http"],
            "OTELCOL_HEALTH": at["health"],
            "OTELCOL_STATE": str(directory / name),
            "OTELCOL_SPAN_METRICS_INTERVAL": "1s",
            "OTELCOL_RETRY": "1s",
            **environment,
        },
        f"http://{at['health']}",
        directory / f"{name}.log",
    )


@contextmanager
def running(directory: Path) -> Iterator[Stack]:
    """Run all servers, which keep what they have in a directory."""
    at = dict(zip(PLACES, (f"127.0.0.1:{port}" for port in free_ports(len(PLACES))), strict=True))
    (directory / "runs").mkdir()
    stack = Stack(
        otlp_http=f"http://{at['otlp_http']}",
        otlp_grpc=f"http://{at['otlp_grpc']}",
        log_directory=directory / "runs",
        jaeger=Jaeger(f"http://{at['jaeger']}"),
        prometheus=Prometheus(f"http://{at['prometheus']}"),
        logs=VictoriaLogs(f"http://{at['victorialogs']}"),
        servers={
            "jaeger": jaeger(at, directory),
            "prometheus": prometheus(at, directory),
            "victorialogs": victoria_logs(at, directory),
            "collector": collector(at, directory),
        },
    )
    with ExitStack() as ending:
        for server in stack.servers.values():
            ending.callback(server.kill)  # not `stop`: what they keep is thrown away, and Jaeger takes ten seconds
            server.start()
        yield stack
