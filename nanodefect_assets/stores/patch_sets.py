"""Training patches as Zarr: one folder, a group for each side of the split, written and read in blocks of patches."""

import hashlib
import json
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import zarr
from jaxtyping import Float, UInt8
from zarr.codecs import BloscCodec

from nanodefect_assets.domain.champion import Recipe
from nanodefect_assets.domain.patches import SIDES, PatchDigest, PatchHead, PatchSet, PatchSource, Side
from nanodefect_assets.domain.refusal import Refusal

KIND = "nanodefect/patch_set"
FORMAT_VERSION = 1
FOLDER = "patches.zarr"
"""Name in the folder of a generation."""

_BLOCK = 8
"""Patches in a chunk: 8 MB of 512 x 512."""

_Images = Float[np.ndarray, "patch row col"]
_Classes = UInt8[np.ndarray, "patch row col"]


class PatchSetWriter:
    """Writes the patches of a training set as they come, a block in memory for each side."""

    def __init__(self, folder: Path, *, patch_px: int, class_names: Sequence[str], normalisation: Recipe) -> None:
        self._group = zarr.create_group(folder, attributes={"kind": KIND, "version": FORMAT_VERSION})
        self._sides: dict[Side, _SideWriter] = {
            side: _SideWriter(self._group.create_group(side), patch_px, tuple(class_names), normalisation)
            for side in SIDES
        }

    def add(
        self,
        side: Side,
        micrograph_id: str,
        images: _Images,
        classes: _Classes,
        *,
        pixel_size_nm: float | None,
        source: PatchSource,
    ) -> None:
        """Add the patches of one micrograph to one side.

        Raises
        ------
        ValueError
            If the micrograph is there already, on whichever side.
        """
        for name, writer in self._sides.items():
            if micrograph_id in writer.micrograph_ids:
                raise ValueError(f"Expected each micrograph once. Got {micrograph_id}, which is in {name} already.")
        self._sides[side].add(micrograph_id, images, classes, pixel_size_nm, source)

    def n_patches(self, side: Side) -> int:
        """Return how many patches a side was given."""
        return self._sides[side].n_patches

    def close(self) -> dict[Side, str]:
        """Write what is left and return the fingerprint of each side."""
        return {side: writer.close() for side, writer in self._sides.items()}


class _SideWriter:
    """The patches of one side."""

    def __init__(self, group: zarr.Group, patch_px: int, class_names: tuple[str, ...], normalisation: Recipe) -> None:
        self._group, self._patch_px = group, patch_px
        self._class_names, self._normalisation = class_names, normalisation
        self.micrograph_ids: list[str] = []
        self._sources: list[PatchSource] = []
        self._sizes_nm: list[float] = []
        self._of: list[int] = []
        self._waiting: list[tuple[np.ndarray, np.ndarray]] = []
        self._digest = PatchDigest()
        self._arrays = {name: _patches(group, name, patch_px, dtype) for name, dtype in _PIXELS.items()}

    def add(
        self, micrograph_id: str, images: _Images, classes: _Classes, pixel_size_nm: float | None, source: PatchSource
    ) -> None:
        self._of += [len(self.micrograph_ids)] * len(images)
        self._sizes_nm += [np.nan if pixel_size_nm is None else pixel_size_nm] * len(images)
        self.micrograph_ids.append(micrograph_id)
        self._sources.append(source)
        self._digest.add(images, classes)
        self._waiting += list(zip(images, classes, strict=True))
        while len(self._waiting) >= _BLOCK:
            self._write(_BLOCK)

    @property
    def n_patches(self) -> int:
        return len(self._of)

    def close(self) -> str:
        if self._waiting:
            self._write(len(self._waiting))
        head = PatchHead(
            shape=(len(self._of), self._patch_px, self._patch_px),
            group=np.array(self._of, dtype=np.int64),
            pixel_size_nm=np.array(self._sizes_nm, dtype=np.float64),
            micrograph_ids=tuple(self.micrograph_ids),
            class_names=self._class_names,
            sources=tuple(self._sources),
            normalisation=self._normalisation,
        )
        fingerprint = self._digest.close(head)
        self._group.create_array("group", data=head.group)
        self._group.create_array("pixel_size_nm", data=head.pixel_size_nm)
        self._group.attrs.update(_written(head) | {"fingerprint": fingerprint})
        return fingerprint

    def _write(self, n: int) -> None:
        now, self._waiting = self._waiting[:n], self._waiting[n:]
        for name, pixels in zip(_PIXELS, zip(*now, strict=True), strict=True):
            self._arrays[name].append(np.stack(pixels))


_PIXELS = {"images": "float32", "classes": "uint8"}


def _patches(group: zarr.Group, name: str, patch_px: int, dtype: str) -> zarr.Array:
    compressor = BloscCodec(cname="zstd", clevel=1, shuffle="bitshuffle")
    edges = (patch_px, patch_px)
    return group.create_array(name, shape=(0, *edges), chunks=(_BLOCK, *edges), dtype=dtype, compressors=compressor)


def _written(head: PatchHead) -> dict[str, Any]:
    return {
        "micrograph_ids": list(head.micrograph_ids),
        "class_names": list(head.class_names),
        "sources": [asdict(source) for source in head.sources],
        "normalisation": None if head.normalisation is None else json.loads(head.normalisation.model_dump_json()),
    }


class PatchSetReader:
    """A training set that `PatchSetWriter` wrote.

    Raises
    ------
    ValueError
        If the folder holds something else, or a version that this reader does not know.
    """

    def __init__(self, folder: Path) -> None:
        self._group = zarr.open_group(folder, mode="r")
        self._folder = folder
        found = self._group.attrs.get("kind"), self._group.attrs.get("version")
        if found != (KIND, FORMAT_VERSION):
            raise ValueError(f"{folder}: expected {KIND} version {FORMAT_VERSION}, got {found}.")

    def n_patches(self, side: Side) -> int:
        """Return how many patches a side has."""
        return _array(self._group, f"{side}/group").shape[0]

    def fingerprint(self, side: Side) -> str:
        """Return the fingerprint of a side, as it was written."""
        return str(self._attributes(side)["fingerprint"])

    def class_names(self, side: Side) -> tuple[str, ...]:
        """Return what the classes of a side mean, the support first."""
        return tuple(self._attributes(side)["class_names"])

    @property
    def combined_fingerprint(self) -> str:
        """SHA-256 over the fingerprints of all sides, in hexadecimal digits."""
        return hashlib.sha256("".join(map(self.fingerprint, SIDES)).encode()).hexdigest()

    def read(self, side: Side) -> PatchSet:
        """Return one side whole.

        Raises
        ------
        Refusal
            If its bytes are no longer those that were written.
        """
        patches = self._patch_set(side, slice(None))
        if patches.fingerprint != self.fingerprint(side):
            raise Refusal(
                "damaged_training_set",
                expected=f"patches with the fingerprint {self.fingerprint(side)[:12]}",
                got=patches.fingerprint[:12],
                file=str(self._folder / side),
                advice="Materialise hrtem/training_set again.",
            )
        return patches

    def blocks(self, side: Side) -> Iterator[PatchSet]:
        """Yield one side in blocks of a few patches, each with all micrographs of the side; nothing is verified."""
        for start in range(0, self.n_patches(side), _BLOCK):
            yield self._patch_set(side, slice(start, start + _BLOCK))

    def missing_classes(self, side: Side) -> list[str]:
        """Return the names of the classes that no pixel of a side has; none of a side without patches."""
        n_pixels: Counter[str] = Counter()
        for block in self.blocks(side):
            n_pixels.update(block.n_pixels)
        return [name for name, n in n_pixels.items() if not n]

    def shared_patches(self) -> list[str]:
        """Return what is on two sides: micrographs by their names, and patches by their pixels."""
        first: dict[str, tuple[Side, str]] = {}
        shared = []
        for side in SIDES:
            for block in self.blocks(side):
                for image, group in zip(block.images, block.group, strict=True):
                    name = block.micrograph_ids[group]
                    for key in (name, hashlib.sha256(image.tobytes()).hexdigest()):
                        at, other = first.setdefault(key, (side, name))
                        if at != side:
                            shared.append(f"{name} of {side} and {other} of {at}")
        return list(dict.fromkeys(shared))

    def examples(self, side: Side, n: int) -> Iterator[tuple[str, np.ndarray, np.ndarray]]:
        """Yield micrograph, image and classes of at most `n` patches, evenly from all over one side."""
        n_patches = self.n_patches(side)
        for at in np.unique(np.linspace(0, n_patches - 1, min(n, n_patches)).astype(int)):
            patch = self._patch_set(side, slice(at, at + 1))
            yield patch.micrograph_ids[patch.group[0]], patch.images[0], patch.classes[0]

    def _patch_set(self, side: Side, which: slice) -> PatchSet:
        attributes = self._attributes(side)
        recipe = attributes["normalisation"]
        return PatchSet(
            images=_read(self._group, f"{side}/images", which),
            classes=_read(self._group, f"{side}/classes", which),
            group=_read(self._group, f"{side}/group", which),
            pixel_size_nm=_read(self._group, f"{side}/pixel_size_nm", which),
            micrograph_ids=tuple(attributes["micrograph_ids"]),
            class_names=tuple(attributes["class_names"]),
            sources=tuple(PatchSource(**source) for source in attributes["sources"]),
            normalisation=None if recipe is None else Recipe.model_validate(recipe),
        )

    def _attributes(self, side: Side) -> dict[str, Any]:
        found = self._group[side]
        if not isinstance(found, zarr.Group):
            raise ValueError(f"{self._folder}: expected a group {side}, got an array.")
        return dict(found.attrs)


def _array(group: zarr.Group, path: str) -> zarr.Array:
    found = group[path]
    if not isinstance(found, zarr.Array):
        raise ValueError(f"Expected an array {path}. Got a group.")
    return found


def _read(group: zarr.Group, path: str, which: slice) -> np.ndarray:
    return np.asarray(_array(group, path)[which])
