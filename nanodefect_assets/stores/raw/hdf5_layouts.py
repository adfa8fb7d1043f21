"""Images of Velox, Berkeley's EMD and HyperSpy as rosettasciio finds them, with what it gets wrong mended."""

import json
import math
from dataclasses import dataclass
from typing import Any

import h5py
import numpy as np
from rsciio.emd._emd_ncem import EMD_NCEM
from rsciio.emd._emd_velox import FeiEMDReader
from rsciio.hspy._api import HyperspyReader

from nanodefect_assets.domain.manifest import Acquisition
from nanodefect_assets.stores.raw.opened import angle, positive, stage_position, times
from nanodefect_assets.stores.raw.units import pixel_size_nm

_Signal = dict[str, Any]
_DEGREES = ("deg", "°")


@dataclass(frozen=True, kw_only=True)
class FoundImage:
    """An image or stack in an HDF5 file.

    Attributes
    ----------
    data : ndarray or dask array of shape (row, col) or (frame, row, col)
        The pixels.
    stored : h5py.Dataset
        Where they lie in the file.
    title : str
        Name of the image, for people.
    acquisition : Acquisition
        How it was taken.
    tilts_deg : tuple of float or None
        Stage tilt of each frame, where the file states it.
    """

    data: Any
    stored: h5py.Dataset
    title: str
    acquisition: Acquisition
    tilts_deg: tuple[float, ...] | None = None

    @property
    def is_stack(self) -> bool:
        """Whether there is an axis of frames."""
        return self.data.ndim == 3

    @property
    def shape(self) -> tuple[int, int, int]:
        """Number of frames, rows and columns."""
        n_frames = self.data.shape[0] if self.is_stack else 1
        return (n_frames, *self.data.shape[-2:])


class _VeloxImages(FeiEMDReader):
    """Rosettasciio's reader of Velox; without this, a file with spectra cannot be read where `sparse` is missing."""

    def _check_im_type(self) -> None:
        self.im_type = "Image"


def _are_chunked(stored: list[h5py.Dataset]) -> bool:
    """Whether the pixels can stay in the file: rosettasciio's lazy arrays fail on data stored in one piece."""
    return all(data.chunks is not None for data in stored)


def find_velox(file: h5py.File) -> list[FoundImage]:
    """Return the images of a Velox file; Fourier transforms, which are complex, are left aside."""
    groups = list(file["Data/Image"].values())
    stored = [group["Data"] for group in groups]
    reader = _VeloxImages(lazy=_are_chunked(stored), select_type="images")
    reader.read_file(file)
    found = zip(groups, stored, reader.dictionaries, strict=True)
    return [_velox_image(*image) for image in found if image[2]["data"].dtype.kind in "buif"]


def _velox_image(group: h5py.Group, stored: h5py.Dataset, signal: _Signal) -> FoundImage:
    record, n_frames = signal["original_metadata"], signal["data"].shape[0] if signal["data"].ndim == 3 else 1
    tilt_rad = angle(_entry(record, "Stage", "AlphaTilt"))
    return FoundImage(
        data=signal["data"],
        stored=stored,
        title=str(_entry(record, "BinaryResult", "Detector") or signal["metadata"]["General"].get("title", "")),
        acquisition=Acquisition(
            pixel_size_nm=_pixel_size_nm(*signal["axes"][-2:]),
            voltage_kv=times(positive(_entry(record, "Optics", "AccelerationVoltage")), 1e-3),
            magnification=positive(_entry(record, "CustomProperties", "StemMagnification", "value")),
            exposure_s=positive(_entry(record, "Scan", "FrameTime")) or _velox_exposure(record),
            stage_tilt_deg=None if tilt_rad is None else math.degrees(tilt_rad),
            **stage_position(_entry(record, "Stage", "Position", "x"), _entry(record, "Stage", "Position", "y"), 1e9),
        ),
        tilts_deg=_velox_tilts(group["Metadata"], n_frames) if n_frames > 1 else None,
    )


def _pixel_size_nm(rows: dict[str, Any], cols: dict[str, Any]) -> float | None:
    return pixel_size_nm(rows["scale"], cols["scale"], rows["units"], cols["units"])


def _velox_exposure(record: _Signal) -> float | None:
    """Return the exposure of the detector that the image is of."""
    detectors = [entry for entry in (record.get("Detectors") or {}).values() if isinstance(entry, dict)]
    used = _entry(record, "BinaryResult", "Detector")
    return next((positive(d.get("ExposureTime")) for d in detectors if d.get("DetectorName") == used), None)


def _velox_tilts(records: h5py.Dataset, n_frames: int) -> tuple[float, ...] | None:
    """Return the tilt of each frame, of which rosettasciio reads the first; None unless each frame states one."""
    if records.shape[1] < n_frames:
        return None
    texts = [records[:, frame].tobytes().split(b"\0", 1)[0] for frame in range(n_frames)]
    tilts_rad = [angle(_entry(json.loads(text), "Stage", "AlphaTilt")) for text in texts]
    if None in tilts_rad:
        return None
    return tuple(np.round(np.degrees(np.array(tilts_rad, dtype=float)), 4).tolist())


def _entry(record: Any, *keys: str) -> Any:
    for key in keys:
        record = record.get(key) if isinstance(record, dict) else None
    return record


def find_berkeley(file: h5py.File) -> list[FoundImage]:
    """Return the images of a Berkeley EMD file."""
    stored = [file[path] for path in EMD_NCEM.find_dataset_paths(file)]
    images = [data for data in stored if data.ndim in (2, 3)]
    return [_berkeley_image(file, data) for data in images]


def _berkeley_image(file: h5py.File, stored: h5py.Dataset) -> FoundImage:
    """Read one image, with its axes as they are stored, which rosettasciio reverses: that mirrors and turns images.

    The names of the axes tell rows (y) from columns (x), since programs disagree on their order; without names the
    last axis is taken for columns.
    """
    reader, group = EMD_NCEM(), stored.parent
    reader.read_file(file, lazy=True, dataset_path=[stored.name], stack_group=False)
    (signal,) = reader.dictionaries
    is_reversed = "dim0" not in group
    data, dims = (signal["data"].T, signal["axes"][::-1]) if is_reversed else (signal["data"], signal["axes"])
    kinds = _kinds_of_axes([str(dim["name"] or "") for dim in dims])
    microscope = signal["original_metadata"].get("microscope", {})
    return FoundImage(
        data=data.transpose([kinds.index(kind) for kind in "frc" if kind in kinds]),
        stored=stored,
        title=group.name,
        acquisition=Acquisition(
            pixel_size_nm=_pixel_size_nm(dims[kinds.index("r")], dims[kinds.index("c")]),
            voltage_kv=times(positive(microscope.get("high tension")), 1e-3),
            magnification=positive(microscope.get("magnification")),
        ),
        tilts_deg=_berkeley_tilts(group, kinds.index("f") + is_reversed, dims) if "f" in kinds else None,
    )


def _kinds_of_axes(names: list[str]) -> str:
    """Return ``f`` frame, ``r`` row or ``c`` column for each axis."""
    plain = [name.strip().lower() for name in names]
    if "x" not in plain or "y" not in plain:
        return "rc" if len(plain) == 2 else "frc"
    return "".join({"x": "c", "y": "r"}.get(name, "f") for name in plain)


def _berkeley_tilts(group: h5py.Group, number: int, dims: list[dict[str, Any]]) -> tuple[float, ...] | None:
    """Return the angle of each frame, where rosettasciio has the mean step: tilts need not be evenly spaced."""
    unit = dims[number - ("dim0" not in group)]["units"]
    if not str(unit or "").strip("[]").lower().startswith(_DEGREES):
        return None
    return tuple(np.asarray(group[f"dim{number}"][()], dtype=float).ravel().tolist())


def find_hyperspy(file: h5py.File) -> list[FoundImage]:
    """Return the images of a HyperSpy file; spectra and spectrum images are left aside."""
    groups = [group for group in file["Experiments"].values() if isinstance(group, h5py.Group) and "data" in group]
    signals = HyperspyReader(file).read(lazy=_are_chunked([group["data"] for group in groups]))
    return [_hyperspy_image(*found) for found in zip(groups, signals, strict=False) if _is_image(found[1])]


def _is_image(signal: _Signal) -> bool:
    axes = signal["axes"]
    return len(axes) in (2, 3) and not any(axis.get("navigate", False) for axis in axes[-2:])


def _hyperspy_image(group: h5py.Group, signal: _Signal) -> FoundImage:
    """Read HyperSpy's names: kilovolts, degrees, millimetres."""
    instrument = signal["metadata"].get("Acquisition_instrument", {})
    microscope = instrument.get("TEM") or instrument.get("SEM") or {}
    stage = microscope.get("Stage", {})
    return FoundImage(
        data=signal["data"],
        stored=group["data"],
        title=group.name,
        acquisition=Acquisition(
            pixel_size_nm=_pixel_size_nm(*signal["axes"][-2:]),
            voltage_kv=positive(microscope.get("beam_energy")),
            magnification=positive(microscope.get("magnification")),
            stage_tilt_deg=angle(stage.get("tilt_alpha", stage.get("tilt"))),
            **stage_position(stage.get("x"), stage.get("y"), 1e6),
        ),
        tilts_deg=_hyperspy_tilts(signal["axes"][0]) if len(signal["axes"]) == 3 else None,
    )


def _hyperspy_tilts(axis: dict[str, Any]) -> tuple[float, ...] | None:
    if not str(axis.get("units") or "").lower().startswith(_DEGREES):
        return None
    angles_deg = float(axis["offset"]) + float(axis["scale"]) * np.arange(int(axis["size"]))
    return tuple(angles_deg.tolist())
