"""Simulated fields that were made once, kept in the home's work folder: an interrupted training set goes on from them.

They can be removed at any time: they are then made again. Fields that no training set has used for a month go.
"""

import hashlib
import io
import json
import time
import zlib
from collections.abc import Mapping
from pathlib import Path
from zipfile import BadZipFile

import numpy as np

from nanodefect_assets.domain.micrograph import LabelledMicrograph, Micrograph
from nanodefect_assets.stores.files import make_folder, write_atomically
from nanodefect_assets.stores.home import Home

_FORMAT_VERSION = 1
_UNUSED_SECONDS = 30 * 86400


class SimulatedFields:
    """The fields kept in one home."""

    def __init__(self, home: Home) -> None:
        self._folder = home.work / "simulated_fields"
        make_folder(self._folder)

    def path_of(self, recipe: Mapping[str, object]) -> Path:
        """Return where the field made by `recipe`, which JSON can hold, is kept."""
        text = json.dumps({"format": _FORMAT_VERSION, **recipe}, sort_keys=True)
        return self._folder / f"{hashlib.sha256(text.encode()).hexdigest()}.npz"

    def read(self, path: Path, micrograph_id: str) -> LabelledMicrograph | None:
        """Return the field kept under `path`, as the micrograph `micrograph_id`; None if it is not there or damaged."""
        try:
            content = path.read_bytes()
            with np.load(io.BytesIO(content), allow_pickle=False) as file:
                counts, labels, pixel_size_nm = file["counts"], file["labels"], float(file["pixel_size_nm"])
        except (FileNotFoundError, BadZipFile, ValueError, KeyError, EOFError, zlib.error):
            return None
        path.touch()
        micrograph = Micrograph(
            micrograph_id=micrograph_id,
            counts=counts,
            pixel_size_nm=pixel_size_nm,
            modality="hrtem",
            is_simulated=True,
        )
        return LabelledMicrograph(micrograph=micrograph, labels=labels.astype(np.int32))

    def keep(self, path: Path, field: LabelledMicrograph) -> None:
        """Keep a field; a process killed meanwhile leaves nothing under `path`."""
        buffer = io.BytesIO()
        np.savez_compressed(
            buffer,
            counts=field.micrograph.counts,
            labels=field.labels.astype(np.uint16),
            pixel_size_nm=np.float64(field.micrograph.pixel_size_nm or np.nan),
        )
        write_atomically(path, buffer.getvalue())

    def remove_unused(self, *, now_s: float | None = None) -> int:
        """Remove fields that were neither made nor read for a month, and return how many."""
        oldest_s = (time.time() if now_s is None else now_s) - _UNUSED_SECONDS
        unused = [path for path in self._folder.iterdir() if path.stat().st_mtime < oldest_s]
        for path in unused:
            path.unlink(missing_ok=True)
        return len(unused)
