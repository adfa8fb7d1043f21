"""Takes a folder in, and kills this process as soon as one kind of work has saved its state.

Arguments: home, folder of the batch, kind of work (a folder of the home's `work`).
"""

import os
import signal
import sys
from pathlib import Path

from nanodefect_assets.cli.ingest import ingest_folders
from nanodefect_assets.stores.checkpoints import FileCheckpoint
from nanodefect_assets.stores.home import Home

home, folder, kind = sys.argv[1:]
save, saved = FileCheckpoint.save, []


def save_and_die(checkpoint, state):
    save(checkpoint, state)
    saved.append(checkpoint.path.parent.name)
    if kind in saved:
        os.kill(os.getpid(), signal.SIGKILL)


FileCheckpoint.save = save_and_die
ingest_folders(Home(Path(home)), (Path(folder),))
