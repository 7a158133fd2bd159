"""A real Slurm on this machine: munged, slurmctld, and a slurmd for each of two nodes, in a directory of its own.

Where its accounts are wanted too, slurmdbd keeps them in a database of theirs, which is MariaDB.

Nothing of the system's is touched: addresses, keys and state are ours, and `SLURM_CONF` says so to all that is started.
"""

import getpass
import os
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Callable, Collection, Iterator, Mapping
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import Any, Final

from tests.stack.servers import free_ports

NODES = ("one", "two")
OVER = frozenset({"COMPLETED", "FAILED", "CANCELLED", "TIMEOUT", "NODE_FAIL", "OUT_OF_MEMORY"})
"""States that a task does not leave by itself."""
STARTS_WITHIN_S = 60.0
_MUNGE_KEY_BYTES = 128
_CONFIGURATION = """
ClusterName=test
SlurmctldHost={host}(127.0.0.1)
SlurmctldPort={controller}
SlurmUser={user}
SlurmdUser={user}
AuthType=auth/munge
# A job that runs again waits until what was signed for it has expired: two minutes, unless it is said here.
AuthInfo=socket={directory}/munge.socket,cred_expire=5
StateSaveLocation={directory}/state
SlurmdSpoolDir={directory}/%n
SlurmctldPidFile={directory}/slurmctld.pid
SlurmdPidFile={directory}/%n.pid
SlurmctldLogFile={directory}/slurmctld.log
SlurmdLogFile={directory}/%n.log
MailProg=/bin/true
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
SwitchType=switch/none
MpiDefault=none
SelectType=select/cons_tres
SelectTypeParameters=CR_Core_Memory
# More processors and memory than there may be, so that all tasks run at once.
SlurmdParameters=config_overrides
JobAcctGatherType=jobacct_gather/linux
JobAcctGatherFrequency=task=1
JobAcctGatherParams=OverMemoryKill
SchedulerType=sched/builtin
SchedulerParameters=sched_interval=1,batch_sched_delay=0,sched_min_interval=0
KillWait=2
MinJobAge=3600
ReturnToService=2
AccountingStorageType=accounting_storage/{accounts}
AccountingStorageHost=127.0.0.1
AccountingStoragePort={accounts_port}
AccountingStoragePass={directory}/munge.socket
NodeName={nodes} NodeHostname={host} NodeAddr=127.0.0.1 Port={ports} CPUs=16 RealMemory=65536
PartitionName=all Nodes=ALL Default=YES MaxTime=INFINITE State=UP
"""
_ACCOUNTS: Final = """
AuthType=auth/munge
AuthInfo=socket={directory}/munge.socket
DbdHost=localhost
DbdAddr=127.0.0.1
DbdPort={accounts_port}
SlurmUser={user}
LogFile={directory}/slurmdbd.log
PidFile={directory}/slurmdbd.pid
StorageType=accounting_storage/mysql
StorageHost=127.0.0.1
StoragePort={database_port}
StorageUser={user}
StorageLoc=accounts
"""
_DATABASE: Final = (
    "--no-defaults --datadir={directory}/database --socket={directory}/database.socket --port={database_port}"
    " --pid-file={directory}/mariadbd.pid --log-error={directory}/mariadbd.log --bind-address=127.0.0.1 --user={user}"
    " --skip-grant-tables"
)


class Slurm:
    """Slurm as it runs: takes jobs, says what became of their tasks, and does to them what an administrator would."""

    def __init__(self, directory: Path, *, accounts: bool) -> None:
        self.directory, self._accounts = directory, accounts
        self.environ = {"SLURM_CONF": str(directory / "slurm.conf")}
        """What makes Slurm's commands ask this one."""
        self._daemons: dict[str, subprocess.Popen[bytes]] = {}

    def start(self) -> None:
        """Start all, and wait until the nodes take jobs."""
        (self.directory / "munge.key").write_bytes(os.urandom(_MUNGE_KEY_BYTES))
        (self.directory / "munge.key").chmod(0o600)
        (self.directory / "state").mkdir()
        controller, accounts_port, database_port, *ports = free_ports(3 + len(NODES))
        known = {
            "host": socket.gethostname(),
            "controller": controller,
            "user": getpass.getuser(),
            "directory": self.directory,
            "nodes": ",".join(NODES),
            "ports": ",".join(map(str, ports)),
            "accounts": "slurmdbd" if self._accounts else "none",
            "accounts_port": accounts_port,
            "database_port": database_port,
        }
        (self.directory / "slurm.conf").write_text(_CONFIGURATION.format(**known))
        self._start("munged", "--foreground", "--force", *self._munge_files())
        self.wait_for((self.directory / "munge.socket").exists, "munged listens")
        if self._accounts:
            self._keep_accounts(known)
        self._start("slurmctld", "-D")
        for node in NODES:
            self.start_node(node)

    def _keep_accounts(self, known: Mapping[str, Any]) -> None:
        """Start what keeps accounts, and its database."""
        configuration = self.directory / "slurmdbd.conf"
        configuration.touch(mode=0o600)
        configuration.write_text(_ACCOUNTS.format(**known))
        (self.directory / "database").mkdir()
        self._start("mariadbd", *_DATABASE.format(**known).split())
        self.wait_for(lambda: _listens(known["database_port"]), "MariaDB listens")
        self._start("slurmdbd", "-D")
        self.wait_for(lambda: _listens(known["accounts_port"]), "slurmdbd listens")
        self.command("sacctmgr", "--immediate", "add", "cluster", "test")

    def forget(self) -> None:
        """Have the controller begin anew, and know of no job that has been."""
        controller = self._daemons.pop("slurmctld")
        controller.terminate()
        controller.wait()
        self._start("slurmctld", "-D", "-c")
        for node in NODES:
            self.wait_for(lambda node=node: self._state_of(node) in {"idle", "mixed"}, f"node {node} is there")

    def start_node(self, node: str) -> None:
        """Start a node, also one that has failed, and wait until it takes jobs."""
        self._start("slurmd", "-D", "-N", node, name=node, environ={"SLURMD_NODENAME": node})
        self.wait_for(lambda: self._state_of(node) in {"idle", "mixed"}, f"node {node} is there")

    def _munge_files(self) -> list[str]:
        return [
            f"--{option}={self.directory / name}"
            for option, name in {
                "socket": "munge.socket",
                "key-file": "munge.key",
                "log-file": "munged.log",
                "pid-file": "munged.pid",
                "seed-file": "munged.seed",
            }.items()
        ]

    def _start(self, program: str, *arguments: str, name: str = "", environ: Mapping[str, str] | None = None) -> None:
        path = shutil.which(program, path=f"{os.environ['PATH']}:/usr/sbin")
        assert path is not None, f"{program} is not here: scripts/need.sh installs it"
        with (self.directory / f"{name or program}.out").open("ab") as log:
            # setpriv: as with the other servers, the kernel ends it with us.
            self._daemons[name or program] = subprocess.Popen(
                ["setpriv", "--pdeathsig", "KILL", path, *arguments],
                env=os.environ | self.environ | (environ or {}),
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
            )

    def _state_of(self, node: str) -> str:
        command = ["sinfo", "--noheader", "--nodes", node, "--format=%t"]
        done = subprocess.run(command, env=os.environ | self.environ, capture_output=True, text=True, check=False)
        return done.stdout.strip()

    def wait_for(self, there: Callable[[], bool], what: str, within_s: float = STARTS_WITHIN_S) -> None:
        """Wait until something is there; what is not in time is told with the logs."""
        deadline = time.monotonic() + within_s
        while not there():
            if time.monotonic() > deadline:
                logs = "".join(log.read_text(errors="replace")[-1500:] for log in self.directory.glob("*.log"))
                raise TimeoutError(f"waited for this in vain: {what}\n{logs}")
            time.sleep(0.05)

    # Jobs

    def command(self, *command: str, environ: Mapping[str, str] | None = None) -> str:
        """Run one of Slurm's commands, and return what it says."""
        done = subprocess.run(
            command, env={**os.environ, **(environ or {}), **self.environ}, capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, f"{command}: {done.stderr}"
        return done.stdout.strip()

    def submit(self, script: Path, *options: str, environ: Mapping[str, str] | None = None) -> str:
        """Submit a script, with what sbatch takes beside it, and return the number of the job."""
        return self.command("sbatch", "--parsable", *options, str(script), environ=environ)

    def tasks(self, job: str) -> dict[str, str]:
        """The state of each task of a job, as `squeue` says it, by its number in the array: `N/A` where it has none."""
        told = self.command("squeue", "--noheader", "--array", "--states=all", f"--jobs={job}", "--format=%K %T")
        return dict(line.split() for line in told.splitlines())

    def where(self, job: str, task: str) -> str:
        """The node that a task runs on."""
        return self.command("squeue", "--noheader", f"--jobs={job}_{task}", "--format=%N")

    def wait(
        self, job: str, states: Collection[str] = OVER, tasks: Collection[str] | None = None, within_s: float = 120.0
    ) -> dict[str, str]:
        """Wait until these tasks, or all, are in one of these states, and return the state of each."""

        def there() -> bool:
            found.clear()
            found.update(self.tasks(job))
            return all(found.get(task) in states for task in (found if tasks is None else tasks))

        found: dict[str, str] = {}
        self.wait_for(there, f"tasks {tasks or 'all'} of {job} are {'/'.join(sorted(states))}", within_s)
        return {task: state for task, state in found.items() if tasks is None or task in tasks}

    def kill(self, job: str, task: str) -> None:
        """Kill what a task runs, without warning, as the kernel does where memory is short."""
        mine = {f"SLURM_ARRAY_JOB_ID={job}".encode(), f"SLURM_ARRAY_TASK_ID={task}".encode()}
        for process in self._processes():
            if mine <= set(_environment(process)):
                _kill(process)

    def cancel(self, job: str, task: str) -> None:
        """Cancel a task: SIGTERM, and SIGKILL two seconds later."""
        self.command("scancel", f"{job}_{task}")

    def requeue(self, job: str, task: str) -> None:
        """End a task and have it run again: it begins some seconds later, with the same numbers."""
        self.command("scontrol", "requeue", f"{job}_{task}")

    def time_out(self, job: str, task: str) -> None:
        """Have a task's time be over now: the controller looks every thirty seconds, and ends it then."""
        self.command("scontrol", "update", f"JobId={job}_{task}", "EndTime=now+1")

    def fail(self, node: str) -> None:
        """Have a node vanish with all that runs on it. Its jobs are run again elsewhere, if they may be."""
        daemon = self._daemons.pop(node)
        daemon.kill()
        daemon.wait()
        for process in self._processes():
            if f"SLURMD_NODENAME={node}".encode() in _environment(process):
                _kill(process)
        self.command("scontrol", "update", f"NodeName={node}", "State=DOWN", "Reason=gone")

    # The end

    def stop(self) -> None:
        """End all of it, and all that it has started, at once: what it keeps is thrown away."""
        for daemon in self._daemons.values():
            daemon.kill()
        for process in self._processes():
            _kill(process)
        for daemon in self._daemons.values():
            daemon.wait()

    def _processes(self) -> list[int]:
        """What this Slurm has started, and its daemons: nobody else's has its configuration."""
        mine = f"SLURM_CONF={self.environ['SLURM_CONF']}".encode()
        numbers = [int(path.name) for path in Path("/proc").iterdir() if path.name.isdigit()]
        return [number for number in numbers if number != os.getpid() and mine in _environment(number)]


def _environment(process: int) -> list[bytes]:
    try:
        return Path(f"/proc/{process}/environ").read_bytes().split(b"\0")
    except OSError:  # over, or another user's
        return []


def _kill(process: int) -> None:
    with suppress(ProcessLookupError):
        os.kill(process, signal.SIGKILL)


def _listens(port: int) -> bool:
    with suppress(OSError), socket.create_connection(("127.0.0.1", port), timeout=1.0):
        return True
    return False


@contextmanager
def running(*, accounts: bool = False) -> Iterator[Slurm]:
    """Run Slurm until the block is left; with what keeps accounts, if `sacct` is to say something."""
    # Not pytest's directory: the path of a socket must be short.
    directory = Path(tempfile.mkdtemp(prefix="soltrace-"))
    slurm = Slurm(directory, accounts=accounts)
    with ExitStack() as ending:
        ending.callback(shutil.rmtree, directory, ignore_errors=True)
        ending.callback(slurm.stop)
        slurm.start()
        yield slurm
