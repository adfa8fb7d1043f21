"""Where Velox, Berkeley's EMD and HyperSpy keep their images in HDF5, and what they write about the microscope."""

import json
import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import h5py
import numpy as np

from nanodefect_assets.domain.manifest import Acquisition
from nanodefect_assets.domain.refusal import Refusal
from nanodefect_assets.stores.raw.opened import angle, positive, times
from nanodefect_assets.stores.raw.units import nm_per, pixel_size_nm

_LONGEST_AXIS = 2**24


@dataclass(frozen=True, kw_only=True)
class FoundImage:
    """An image or stack in an HDF5 file.

    Attributes
    ----------
    data : h5py.Dataset
        The pixels.
    axes : str
        What each axis of `data` is: ``f`` frame, ``r`` row, ``c`` column, ``1`` an axis of size 1 to be dropped.
    title : str
        Name of the image, for people.
    acquisition : Acquisition
        How it was taken.
    tilts_deg : tuple of float or None
        Stage tilt of each frame, where the file states it.
    """

    data: h5py.Dataset
    axes: str
    title: str
    acquisition: Acquisition
    tilts_deg: tuple[float, ...] | None = None

    def size(self, axis: str) -> int:
        """Return the size of the axis of this name; 1 if there is none."""
        return self.data.shape[self.axes.index(axis)] if axis in self.axes else 1


def find_velox(file: h5py.File) -> list[FoundImage]:
    """Return the images of a Velox file; Fourier transforms, which are complex, are left aside.

    Data are (row, col, frame); each frame has its own record of JSON. Lengths are in metres, angles in radians.
    """
    found = []
    for name, group in file["Data/Image"].items():
        data = group["Data"]
        if data.dtype.kind not in "buif" or data.ndim != 3:
            continue
        record = _record(group["Metadata"], 0)
        n_frames = data.shape[2]
        found.append(
            FoundImage(
                data=data,
                axes="rcf" if n_frames > 1 else "rc1",
                title=str(_entry(record, "BinaryResult", "Detector") or name),
                acquisition=_velox_acquisition(record),
                tilts_deg=_velox_tilts(group["Metadata"], n_frames) if n_frames > 1 else None,
            )
        )
    return found


def _velox_acquisition(record: dict[str, Any]) -> Acquisition:
    size, result = _entry(record, "BinaryResult", "PixelSize") or {}, record.get("BinaryResult", {})
    tilt_rad = angle(_entry(record, "Stage", "AlphaTilt"))
    height, width = (float(size.get(side, 0)) for side in ("height", "width"))
    return Acquisition(
        pixel_size_nm=pixel_size_nm(height, width, result.get("PixelUnitY"), result.get("PixelUnitX")),
        voltage_kv=times(positive(_entry(record, "Optics", "AccelerationVoltage")), 1e-3),
        magnification=positive(_entry(record, "CustomProperties", "StemMagnification", "value")),
        exposure_s=positive(_entry(record, "Scan", "FrameTime")) or _velox_exposure(record),
        stage_tilt_deg=None if tilt_rad is None else math.degrees(tilt_rad),
    )


def _velox_exposure(record: dict[str, Any]) -> float | None:
    """Return the exposure of the detector that the image is of."""
    detectors = [entry for entry in (record.get("Detectors") or {}).values() if isinstance(entry, dict)]
    used = _entry(record, "BinaryResult", "Detector")
    return next((positive(d.get("ExposureTime")) for d in detectors if d.get("DetectorName") == used), None)


def _velox_tilts(records: h5py.Dataset, n_frames: int) -> tuple[float, ...] | None:
    """Return the tilt of each frame; None unless each frame has a record that states it."""
    if records.shape[1] < n_frames:
        return None
    tilts_rad = [angle(_entry(_record(records, frame), "Stage", "AlphaTilt")) for frame in range(n_frames)]
    if None in tilts_rad:
        return None
    return tuple(np.round(np.degrees(np.array(tilts_rad, dtype=float)), 4).tolist())


def _record(records: h5py.Dataset, frame: int) -> dict[str, Any]:
    """Return the metadata of a frame: JSON, filled up with zero bytes."""
    record = json.loads(records[:, frame].tobytes().split(b"\0", 1)[0])
    return record if isinstance(record, dict) else {}


def _entry(record: Any, *keys: str) -> Any:
    for key in keys:
        record = record.get(key) if isinstance(record, dict) else None
    return record


def find_berkeley(file: h5py.File) -> list[FoundImage]:
    """Return the images of a Berkeley EMD file: groups of ``data`` and one calibrated axis ``dim<n>`` for each axis.

    The names of the axes tell rows (y) from columns (x), since programs disagree on their order; without names the
    last axis is taken for columns.
    """
    found = []
    for group in walk_groups(file):
        data = group.get("data")
        if group.attrs.get("emd_group_type") != 1 or not isinstance(data, h5py.Dataset) or data.ndim not in (2, 3):
            continue
        dims = _dims(group, data.ndim)
        axes = _axes_by_name([_text(dim.attrs.get("name")) for dim in dims])
        rows, cols = dims[axes.index("r")], dims[axes.index("c")]
        size_nm = pixel_size_nm(_step(rows), _step(cols), _unit(rows), _unit(cols))
        found.append(
            FoundImage(
                data=data,
                axes=axes,
                title=group.name,
                acquisition=_berkeley_acquisition(file, size_nm),
                tilts_deg=_berkeley_tilts(dims[axes.index("f")]) if "f" in axes else None,
            )
        )
    return found


def walk_groups(file: h5py.File) -> Iterator[h5py.Group]:
    """Yield every group of a file once, however they link to one another; links out of the file are not followed."""
    waiting: list[h5py.Group] = [file["/"]]
    seen = set()
    while waiting:
        group = waiting.pop()
        place = h5py.h5o.get_info(group.id).addr
        if place in seen:
            continue
        seen.add(place)
        yield group
        names = [name for name in group if isinstance(group.get(name, getlink=True), h5py.HardLink)]
        waiting.extend(group[name] for name in names if group.get(name, getclass=True) is h5py.Group)


def _dims(group: h5py.Group, n_axes: int) -> list[h5py.Dataset]:
    first = 0 if "dim0" in group else 1
    dims = [group.get(f"dim{first + index}") for index in range(n_axes)]
    if not all(isinstance(dim, h5py.Dataset) and dim.size <= _LONGEST_AXIS for dim in dims):
        raise Refusal("damaged_file", expected=f"{n_axes} calibrated axes", got="fewer", advice="Copy the file again.")
    return dims


def _axes_by_name(names: list[str]) -> str:
    plain = [name.strip().lower() for name in names]
    if "x" not in plain or "y" not in plain:
        return "rc" if len(plain) == 2 else "frc"
    return "".join({"x": "c", "y": "r"}.get(name, "f") for name in plain)


def _step(dim: h5py.Dataset) -> float:
    """Return the distance of the values of an axis; 0, that is not known, for fewer than two."""
    values = np.asarray(dim[()], dtype=float).ravel()
    return float((values[-1] - values[0]) / (len(values) - 1)) if len(values) > 1 else 0.0


def _unit(dim: h5py.Dataset) -> str:
    return _text(dim.attrs.get("units"))


def _text(value: Any) -> str:
    if isinstance(value, np.ndarray):
        value = value.ravel()[0] if value.size else ""
    return value.decode("utf-8", errors="replace") if isinstance(value, bytes) else str("" if value is None else value)


def _berkeley_tilts(dim: h5py.Dataset) -> tuple[float, ...] | None:
    if not _unit(dim).strip("[]").lower().startswith("deg"):
        return None
    return tuple(np.asarray(dim[()], dtype=float).ravel().tolist())


def _berkeley_acquisition(file: h5py.File, size_nm: float | None) -> Acquisition:
    """Read the attributes that NCEM's microscopes write; voltages in volts."""
    microscope = file.get("microscope", default=None)
    attributes = dict(microscope.attrs) if isinstance(microscope, h5py.Group) else {}
    return Acquisition(
        pixel_size_nm=size_nm,
        voltage_kv=times(positive(attributes.get("high tension")), 1e-3),
        magnification=positive(attributes.get("magnification")),
    )


def find_hyperspy(file: h5py.File) -> list[FoundImage]:
    """Return the images of a HyperSpy file: ``data``, and ``axis-<n>`` groups with scale, unit and sense."""
    found = []
    for group in file["Experiments"].values():
        data, axes = group["data"], [group[f"axis-{index}"].attrs for index in range(group["data"].ndim)]
        if data.ndim not in (2, 3) or any(bool(axis.get("navigate", False)) for axis in axes[-2:]):
            continue
        rows, cols = axes[-2:]
        units = [_text(axis.get("units")) for axis in (rows, cols)]
        found.append(
            FoundImage(
                data=data,
                axes="rc" if data.ndim == 2 else "frc",
                title=group.name,
                acquisition=_hyperspy_acquisition(group, pixel_size_nm(rows["scale"], cols["scale"], *units)),
                tilts_deg=_hyperspy_tilts(axes[0]) if data.ndim == 3 else None,
            )
        )
    return found


def _hyperspy_tilts(axis: h5py.AttributeManager) -> tuple[float, ...] | None:
    if nm_per(_text(axis.get("units"))) is not None or not _text(axis.get("units")).lower().startswith(("deg", "°")):
        return None
    angles_deg = float(axis["offset"]) + float(axis["scale"]) * np.arange(int(axis["size"]))
    return tuple(angles_deg.tolist())


def _hyperspy_acquisition(group: h5py.Group, size_nm: float | None) -> Acquisition:
    """Read HyperSpy's names: kilovolts, degrees."""
    instrument = group.get("metadata/Acquisition_instrument", default=None) or {}
    microscope = next((instrument[name] for name in ("TEM", "SEM") if name in instrument), None)
    attributes = dict(microscope.attrs) if microscope is not None else {}
    stage = dict(microscope["Stage"].attrs) if microscope is not None and "Stage" in microscope else {}
    return Acquisition(
        pixel_size_nm=size_nm,
        voltage_kv=positive(attributes.get("beam_energy")),
        magnification=positive(attributes.get("magnification")),
        stage_tilt_deg=angle(stage.get("tilt_alpha", stage.get("tilt"))),
    )
