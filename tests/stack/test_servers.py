"""The fixture `stack`: the servers are the project's own, and leave nothing behind."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.stack.servers import ROOT, flags, free_ports, program

KILLED = """
import sys, time
from pathlib import Path
from tests.stack.servers import running
with running(Path(sys.argv[1])) as stack:
    print(*(server._process.pid for server in stack.servers.values()), flush=True)
    time.sleep(600)
"""


def is_running(pid):
    """Not a zombie either: nobody may have waited for it."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except (FileNotFoundError, ProcessLookupError):
        return False


def test_servers_end_with_whoever_started_them(tmp_path):
    """A killed test run leaves no server behind."""
    command = [sys.executable, "-c", KILLED, tmp_path]
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True) as process:
        pids = process.stdout.readline().split()
        assert len(pids) == 4
        assert all(is_running(pid) for pid in pids)
        process.send_signal(signal.SIGKILL)
    deadline = time.monotonic() + 10
    while any(is_running(pid) for pid in pids) and time.monotonic() < deadline:
        time.sleep(0.05)
    assert [pid for pid in pids if is_running(pid)] == []


def test_a_missing_program_says_how_it_is_made(tmp_path, monkeypatch):
    """Not a skip: a test that did not run is not a test that passed."""
    monkeypatch.setenv("SOLTRACE_SERVERS_DIR", str(tmp_path))
    with pytest.raises(FileNotFoundError, match="run `make servers`"):
        program("jaeger")


def test_a_program_of_other_pins_is_not_taken(tmp_path, monkeypatch):
    """A cache of an older checkout does not pass for this one's."""
    monkeypatch.setenv("SOLTRACE_SERVERS_DIR", str(tmp_path))
    (tmp_path / "jaeger").touch()
    (tmp_path / "jaeger.pins").write_text("0" * 64 + "\n")
    with pytest.raises(FileNotFoundError, match="not made from scripts/servers/jaeger"):
        program("jaeger")


def test_what_is_built_is_not_built_again():
    """The second call takes no time, and ends by saying where the programs are."""
    before = program("jaeger").stat().st_mtime_ns
    done = subprocess.run([ROOT / "scripts/servers/build.sh"], capture_output=True, text=True, check=True)
    assert done.stdout.splitlines()[-1] == str(program("jaeger").parent)
    assert "building" not in done.stdout
    assert program("jaeger").stat().st_mtime_ns == before


def test_flags_are_those_of_the_compose_file():
    """But for the places, the servers run as docker-compose.yml runs them."""
    assert flags("collector", {"/etc/otelcol/otelcol.yaml": "here.yaml"}) == ["--config=here.yaml"]
    assert flags("prometheus", {"/prometheus": "data"})[1] == "--storage.tsdb.path=data"
    assert "--web.enable-otlp-receiver" in flags("prometheus", {})


def test_ports_are_free_and_differ():
    """Below those that the kernel gives to connections."""
    ports = free_ports(50)
    first = int(Path("/proc/sys/net/ipv4/ip_local_port_range").read_text().split()[0])
    assert len(set(ports)) == 50
    assert max(ports) < first


def test_a_server_comes_back_at_the_same_place(stack):
    """Stopped or killed: what it has kept is there again."""
    collector = stack.collector
    pid = collector._process.pid
    collector.stop()
    assert not collector.is_running
    collector.start()
    assert collector.is_running
    assert collector._process.pid != pid
    os.kill(collector._process.pid, 0)
