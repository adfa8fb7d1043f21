"""`nanodefect ui`."""

import os
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import click

from nanodefect_assets.stores.files import write_atomically
from nanodefect_assets.stores.home import Home

_WORKSPACE = """\
# Written by `nanodefect ui`: the name under which sensors and schedules remember what they did.
load_from:
  - python_module:
      module_name: nanodefect_assets.definitions
      location_name: nanodefect_assets
"""
_GRACE_S = 20
_THREAD_VARIABLES = ("NANODEFECT_THREADS", "OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "NUMBA_NUM_THREADS")
_RUNS_AT_ONCE = 2
"""As in dagster.yaml; each run has its share of the cores, for its own threads and for those of BLAS and numba."""


def run_servers(home: Home, host: str, port: int, mlflow_port: int) -> None:
    """Run Dagster and MLflow, each with its children, and end both when either ends or the user interrupts."""
    from nanodefect_assets.defs.instance import open_instance
    from nanodefect_assets.defs.reaper import end_dead_runs
    from nanodefect_assets.stores.mlflow_client import prepare_database

    for wanted in (port, mlflow_port):
        _check_free(host, wanted)
    with open_instance(home) as instance:
        end_dead_runs(instance, home)
    if home.mlflow_database is not None:
        prepare_database(home)
    threads = str(max(1, len(os.sched_getaffinity(0)) // _RUNS_AT_ONCE))
    environment = {
        **dict.fromkeys(_THREAD_VARIABLES, threads),
        "MLFLOW_DISABLE_TELEMETRY": "true",
        # Jobs of MLflow for language models: half a dozen processes that nothing here needs.
        "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false",
        "MLFLOW_ALLOW_PICKLE_DESERIALIZATION": "false",
        **os.environ,
    }
    bin_folder = Path(sys.executable).parent
    workspace = home.dagster / "workspace.yaml"
    write_atomically(workspace, _WORKSPACE.encode())
    dagster = [str(bin_folder / "dagster"), "dev", "-w", str(workspace), "-h", host, "-p", str(port)]
    dagster += ["--log-level", "warning"]
    mlflow = [str(bin_folder / "mlflow"), "server", "--host", host, "--port", str(mlflow_port)]
    mlflow += [
        "--backend-store-uri",
        home.mlflow_uri,
        "--artifacts-destination",
        str(home.mlflow / "artifacts"),
        "--workers",
        "1",
    ]
    click.echo("Starting Dagster and MLflow: half a minute.")
    servers = [
        subprocess.Popen(command, env=environment, cwd=home.root, start_new_session=True)
        for command in (dagster, mlflow)
    ]
    signal.signal(signal.SIGTERM, _interrupt)
    waiting = [port, mlflow_port]
    try:
        while all(server.poll() is None for server in servers):
            if waiting:
                waiting = [wanted for wanted in waiting if not _answers(host, wanted)]
                if not waiting:
                    click.echo(f"Dagster http://{host}:{port}   MLflow http://{host}:{mlflow_port}/#/experiments")
                    click.echo(f"Drop batches into {home.landing}   (Ctrl-C ends both)")
            time.sleep(0.5)
    except KeyboardInterrupt:
        click.echo("Ending.")
    finally:
        codes = [server.poll() for server in servers]
        _end(servers)
    if any(code not in (None, 0) for code in codes):
        raise click.ClickException(
            f"A server ended by itself (Dagster {codes[0]}, MLflow {codes[1]}); its output is above."
        )


def _interrupt(number: int, frame: object) -> None:
    raise KeyboardInterrupt


def _check_free(host: str, port: int) -> None:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except OSError as error:
            raise click.ClickException(
                f"Port {port} of {host} is taken. Is the user interface running already? "
                "Otherwise choose --port or --mlflow-port."
            ) from error


def _answers(host: str, port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex((host, port)) == 0


def _end(servers: list[subprocess.Popen[bytes]]) -> None:
    """Ask the process groups to end, and kill what does not."""
    for server in servers:
        _signal_group(server, signal.SIGTERM)
    deadline = time.monotonic() + _GRACE_S
    for server in servers:
        try:
            server.wait(max(0.1, deadline - time.monotonic()))
        except subprocess.TimeoutExpired:
            click.echo(f"Killing process {server.pid}, which did not end in {_GRACE_S} s.")
        _signal_group(server, signal.SIGKILL)


def _signal_group(server: subprocess.Popen[bytes], number: signal.Signals) -> None:
    try:
        os.killpg(server.pid, number)
    except ProcessLookupError:
        return
