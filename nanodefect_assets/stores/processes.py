"""Which processes of ours still live: a number alone can be given to another process, or to another boot."""

import os
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Self

import psutil

PROCESS_TAG = "nanodefect/process"
"""Tag of a run, in Dagster and in MLflow: the process that works on it; a run whose process is gone can be ended."""

_BOOT_ID = Path("/proc/sys/kernel/random/boot_id")


def boot_id() -> str:
    """Return what names this boot of the machine; `NANODEFECT_BOOT_ID` overrides it, for tests of a reboot."""
    return os.environ.get("NANODEFECT_BOOT_ID") or _boot_id_of_machine()


@cache
def _boot_id_of_machine() -> str:
    if _BOOT_ID.exists():
        return _BOOT_ID.read_text().strip()
    return str(round(psutil.boot_time()))


@dataclass(frozen=True, kw_only=True)
class ProcessIdentity:
    """A process, told apart from a later one that was given the same number.

    Attributes
    ----------
    pid : int
        Process id.
    started_s : float
        When the process started, in seconds since the epoch.
    boot_id : str
        Boot of the machine in which it started.
    host : str
        Machine.
    """

    pid: int
    started_s: float
    boot_id: str
    host: str

    @classmethod
    def of_this(cls) -> Self:
        """Return the identity of the running process."""
        process = psutil.Process()
        return cls(pid=process.pid, started_s=process.create_time(), boot_id=boot_id(), host=os.uname().nodename)

    def is_alive(self) -> bool:
        """Whether the process still runs; a process of another machine is taken to be alive."""
        if self.host != os.uname().nodename:
            return True
        if self.boot_id != boot_id():
            return False
        try:
            process = psutil.Process(self.pid)
            return abs(process.create_time() - self.started_s) < 1.0 and process.status() != psutil.STATUS_ZOMBIE
        except psutil.NoSuchProcess:
            return False

    def to_text(self) -> str:
        """Return the identity in one line, as it is kept in a run's tags."""
        return f"{self.pid}@{self.started_s:.2f}@{self.boot_id}@{self.host}"

    @classmethod
    def of_text(cls, text: str) -> Self:
        """Read what `to_text` wrote."""
        pid, started_s, boot, host = text.split("@", 3)
        return cls(pid=int(pid), started_s=float(started_s), boot_id=boot, host=host)
