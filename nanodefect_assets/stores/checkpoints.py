"""State of long work on disk, so that a killed run goes on where it stopped."""

import json
import struct
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from nanodefect_assets.domain.checkpoint import CheckpointState
from nanodefect_assets.domain.refusal import Refusal
from nanodefect_assets.stores.files import make_folder, remove_drafts, write_atomically

_KIND = "nanodefect/checkpoint"
_VERSION = 1
_RECORD = "record"


@dataclass(frozen=True)
class FileCheckpoint:
    """Keeps the last state of one piece of work in one file, replaced atomically: arrays as safetensors, no pickle.

    Attributes
    ----------
    path : Path
        The file; its folder is made when first needed. Whoever made the work's result removes it.
    """

    path: Path

    def load(self) -> CheckpointState | None:
        """Return the last state that was saved whole; None if there is none.

        Raises
        ------
        Refusal
            If the file is no checkpoint, or one of another version.
        """
        from safetensors import SafetensorError
        from safetensors.numpy import load

        try:
            content = self.path.read_bytes()
        except FileNotFoundError:
            return None
        try:
            arrays, header = load(content), _header_of(content)
        except (SafetensorError, ValueError, KeyError, struct.error) as error:
            raise self._unreadable(f"a file that is none ({error})") from error
        if (header["kind"], header["version"]) != (_KIND, _VERSION):
            raise self._unreadable(f"{header['kind']} version {header['version']}")
        return CheckpointState(arrays=arrays, record=header[_RECORD])

    def save(self, state: CheckpointState) -> None:
        """Keep `state`; killed in the middle, the state before it stays."""
        from safetensors.numpy import save

        make_folder(self.path.parent)
        header = {"kind": _KIND, "version": _VERSION, _RECORD: state.record}
        arrays = {name: np.require(array, requirements="C") for name, array in state.arrays.items()}
        write_atomically(self.path, save(arrays, metadata={_KIND: json.dumps(header)}))

    def remove(self) -> None:
        """Forget the state, with what a killed save may have left."""
        self.path.unlink(missing_ok=True)
        if self.path.parent.exists():
            remove_drafts(self.path)

    def _unreadable(self, got: str) -> Refusal:
        return Refusal(
            "unreadable_checkpoint",
            expected=f"{_KIND} version {_VERSION}",
            got=got,
            file=str(self.path),
            advice="Delete the file; the work then begins anew.",
        )


def _header_of(content: bytes) -> dict[str, Any]:
    """Return what was written beside the arrays."""
    (length,) = struct.unpack("<Q", content[:8])
    return json.loads(json.loads(content[8 : 8 + length])["__metadata__"][_KIND])
