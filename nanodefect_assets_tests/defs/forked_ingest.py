"""Runs `nanodefect ingest` again and again, each time in a fork of this process, and kills it at a chosen moment.

One JSON object a line: ``home``, ``folder``, ``kill_at`` (number of the event; null: never), ``kind`` of event
(``files``, ``databases`` or ``milliseconds``) and ``boot_id`` on standard input; exit status and number of events out.
"""

import json
import os
import signal
import sys
import threading
import time
from pathlib import Path

import duckdb  # noqa: F401  what a run needs is imported once, before the forks
import matplotlib.figure  # noqa: F401
import pandas as pd  # noqa: F401
import pyarrow.parquet  # noqa: F401
import skimage.measure  # noqa: F401
import zarr  # noqa: F401

import nanodefect_assets.definitions  # noqa: F401
from nanodefect_assets.cli.ingest import ingest_folders
from nanodefect_assets.stores.home import Home

_WRITES = os.O_WRONLY | os.O_RDWR | os.O_CREAT
_CHANGES = {"os.rename", "os.link", "os.mkdir", "os.remove", "os.rmdir", "os.chmod"}


def kind_of(event, args):
    """Return which kind of change to a folder an audit event announces, and the path."""
    if event == "open" and isinstance(args[2], int) and args[2] & _WRITES:
        return "files", args[0]
    if event in _CHANGES:
        return "files", args[0]
    if event == "sqlite3.connect":
        return "databases", args[0]
    return None, None


def watch(root, kind, kill_at):
    """Count the events of one kind below `root`; kill this process before the event `kill_at` takes place."""
    counted = {"files": 0, "databases": 0}
    lock = threading.Lock()

    def hook(event, args):
        found, path = kind_of(event, args)
        if found is None or not isinstance(path, str | bytes | Path) or root not in os.fsdecode(path):
            return
        with lock:
            counted[found] += 1
            if found == kind and counted[found] == kill_at:
                os.kill(os.getpid(), signal.SIGKILL)

    sys.addaudithook(hook)
    return counted


def kill_after(milliseconds):
    time.sleep(milliseconds / 1000)
    os.kill(os.getpid(), signal.SIGKILL)


def run(command, report):
    """Take the batch in; a fork ends here."""
    devnull = os.open(os.devnull, os.O_WRONLY)
    os.dup2(devnull, 1)
    os.environ["NANODEFECT_BOOT_ID"] = command["boot_id"]
    counted = watch(command["home"], command["kind"], command["kill_at"])
    if command["kind"] == "milliseconds":
        threading.Thread(target=kill_after, args=(command["kill_at"],), daemon=True).start()
    ingest_folders(Home(Path(command["home"])), (Path(command["folder"]),))
    os.write(report, json.dumps(counted).encode())


for line in sys.stdin:
    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:
        os.close(reading)
        try:
            run(json.loads(line), writing)
        except BaseException as error:  # noqa: BLE001  whatever it is, it must not go on as the server
            sys.stderr.write(f"{error!r}\n")
            sys.stderr.flush()
            os._exit(1)
        os._exit(0)
    os.close(writing)
    _, status = os.waitpid(child, 0)
    with open(reading, "rb") as pipe:  # noqa: PTH123
        events = json.loads(pipe.read() or b"{}")
    print(json.dumps({"status": os.waitstatus_to_exitcode(status), "events": events}), flush=True)  # noqa: T201
