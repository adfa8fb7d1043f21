"""What programs write into the tags of a TIFF about the microscope.

One function per program; the first whose tags are there answers. Plain resolution tags count only where they cannot
be a printer's: stated in so many pixels per centimetre or inch, with pixels below a micrometre.
"""

import math
import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import tifffile

from nanodefect_assets.domain.manifest import Acquisition
from nanodefect_assets.stores.raw.opened import angle, positive, stage_position, times
from nanodefect_assets.stores.raw.units import nm_per, pixel_size_nm

_DM_SCALES, _DM_UNITS = ("65010", "65009"), ("65004", "65003")
_SMALLEST_PRINTED_NM = 1e3
_ZEISS_SCALE_AT = 3
_ZEISS_DISPLAY_COLS = 1024


@dataclass(frozen=True, kw_only=True)
class Found:
    """What a program's tags say: its name, how the image was taken, and the rows of its data bar at the bottom."""

    program: str = ""
    acquisition: Acquisition
    data_bar_rows: int = 0


def tiff_acquisition(tiff: tifffile.TiffFile, page: tifffile.TiffPage, n_rows: int, n_cols: int) -> Found:
    """Return what the tags of a TIFF say about the program that wrote it and the microscope.

    Parameters
    ----------
    n_rows, n_cols : int
        Shape of a frame, in pixels.
    """
    for read in _READERS:
        found = read(tiff, page, n_rows, n_cols)
        if found is not None:
            return found
    return Found(acquisition=_from_resolution(page))


def _thermo(tiff: tifffile.TiffFile, page: tifffile.TiffPage, n_rows: int, n_cols: int) -> Found | None:
    """Read FEI's and Thermo Fisher's sections; lengths in metres, angles in radians, voltages in volts."""
    meta = tiff.fei_metadata if page.is_fei else None
    if meta is None:
        return None
    scan, beam, stage = (_section(meta, name) for name in ("Scan", "Beam", "Stage"))
    infrared, image = _section(meta, "IRBeam"), _section(meta, "Image")
    edge = (scan.get("PixelHeight"), scan.get("PixelWidth"))
    if positive(edge[1]) is None and positive(infrared.get("HFW")) and positive(image.get("ResolutionX")):
        edge = (infrared["VFW"] / image["ResolutionY"], infrared["HFW"] / image["ResolutionX"])
    bar_rows = n_rows - int(positive(image.get("ResolutionY")) or n_rows)
    tilt_rad = angle(stage.get("StageT"))
    acquisition = Acquisition(
        pixel_size_nm=_metres(edge),
        voltage_kv=times(positive(beam.get("HV")), 1e-3),
        exposure_s=positive(scan.get("FrameTime")),
        stage_tilt_deg=None if tilt_rad is None else math.degrees(tilt_rad),
        **stage_position(stage.get("StageX"), stage.get("StageY"), 1e9),
    )
    return Found(program="Thermo Fisher", acquisition=acquisition, data_bar_rows=max(bar_rows, 0))


def _zeiss(tiff: tifffile.TiffFile, page: tifffile.TiffPage, n_rows: int, n_cols: int) -> Found | None:
    """Read Zeiss's parameters.

    The exact scale is a nameless number for a display of 1,024 columns. The named pixel size has four digits; where
    both are there and disagree by more than 1 %, the named one is right, because it is what the operator saw.
    """
    meta = tiff.sem_metadata if page.is_sem else None
    if meta is None:
        return None
    nameless = meta.get("", ())
    exact_nm = None
    if len(nameless) > _ZEISS_SCALE_AT:
        exact_nm = times(positive(nameless[_ZEISS_SCALE_AT]), 1e9 * _ZEISS_DISPLAY_COLS / n_cols)
    named = meta.get("ap_image_pixel_size") or meta.get("ap_pixel_size")
    named_nm = pixel_size_nm(named[1], named[1], named[2]) if named is not None and len(named) > 2 else None
    if exact_nm is None or (named_nm is not None and abs(exact_nm - named_nm) > 0.01 * named_nm):
        exact_nm = named_nm
    acquisition = Acquisition(
        pixel_size_nm=exact_nm,
        voltage_kv=positive(_value(meta, "ap_actualkv")),
        magnification=positive(_value(meta, "ap_mag")),
        stage_tilt_deg=angle(_value(meta, "ap_stage_at_t")),
        **_zeiss_position(meta),
    )
    return Found(program="Zeiss", acquisition=acquisition)


def _zeiss_position(meta: dict) -> dict[str, Any]:
    """Return the stage position, where x and y are stated in one unit of length."""
    x, y = (meta.get(name, ()) for name in ("ap_stage_at_x", "ap_stage_at_y"))
    if len(x) < 3 or len(y) < 3 or x[2] != y[2]:
        return {}
    factor = nm_per(x[2])
    return {} if factor is None else stage_position(x[1], y[1], factor)


def _tvips(tiff: tifffile.TiffFile, page: tifffile.TiffPage, n_rows: int, n_cols: int) -> Found | None:
    """Read TVIPS EM-Menu; pixels in nm, times in ms, voltage in volts, stage angles in degrees."""
    meta = tiff.tvips_metadata if page.is_tvips else None
    if meta is None:
        return None
    stage = meta.get("TemStagePosition", ())
    acquisition = Acquisition(
        pixel_size_nm=pixel_size_nm(meta.get("PixelSizeY", 0), meta.get("PixelSizeX", 0), "nm"),
        voltage_kv=times(positive(meta.get("TemHighTension")), 1e-3),
        magnification=positive(meta.get("TemMagnification")),
        exposure_s=times(positive(meta.get("ExposureTime")), 1e-3),
        stage_tilt_deg=angle(stage[3]) if len(stage) > 3 else None,
    )
    return Found(program="TVIPS", acquisition=acquisition)


def _olympus(tiff: tifffile.TiffFile, page: tifffile.TiffPage, n_rows: int, n_cols: int) -> Found | None:
    """Read Olympus SIS iTEM; pixels in metres."""
    meta = tiff.sis_metadata if page.is_sis else None
    if meta is None:
        return None
    acquisition = Acquisition(
        pixel_size_nm=_metres((meta.get("pixelsizey"), meta.get("pixelsizex"))),
        magnification=positive(meta.get("magnification")),
        exposure_s=times(positive(meta.get("exposuretime")), 1e-6),
    )
    return Found(program="Olympus SIS", acquisition=acquisition)


def _digital_micrograph(tiff: tifffile.TiffFile, page: tifffile.TiffPage, n_rows: int, n_cols: int) -> Found | None:
    """Read Gatan's private tags: a scale and a unit for each axis."""
    scales = [page.tags.valueof(int(code)) for code in _DM_SCALES]
    units = [page.tags.valueof(int(code)) for code in _DM_UNITS]
    if None in scales or None in units:
        return None
    return Found(program="DigitalMicrograph", acquisition=Acquisition(pixel_size_nm=pixel_size_nm(*scales, *units)))


def _imagej(tiff: tifffile.TiffFile, page: tifffile.TiffPage, n_rows: int, n_cols: int) -> Found | None:
    """Read ImageJ: the resolution tags are pixels per the unit that the description names."""
    meta = tiff.imagej_metadata if page.is_imagej else None
    if meta is None:
        return None
    scales = _scales(page)
    if meta.get("unit") is None or scales is None:
        return Found(program="ImageJ", acquisition=_from_resolution(page))
    return Found(program="ImageJ", acquisition=Acquisition(pixel_size_nm=pixel_size_nm(*scales, str(meta["unit"]))))


def _ome(tiff: tifffile.TiffFile, page: tifffile.TiffPage, n_rows: int, n_cols: int) -> Found | None:
    """Read the physical size of OME-TIFF from its text; the XML itself is not parsed, so it can do no harm."""
    text = page.description
    if "OME" not in text[:2000] or "<Pixels" not in text:
        return None
    edges, units = [], []
    for axis in "YX":
        size = re.search(rf'PhysicalSize{axis}="([^"]{{1,40}})"', text)
        unit = re.search(rf'PhysicalSize{axis}Unit="([^"]{{1,20}})"', text)
        edges.append(positive(size[1]) or 0.0 if size else 0.0)
        units.append(unit[1] if unit else "µm")
    return Found(
        program="OME", acquisition=Acquisition(pixel_size_nm=pixel_size_nm(edges[0], edges[1], units[0], units[1]))
    )


_READERS: tuple[Callable[[tifffile.TiffFile, tifffile.TiffPage, int, int], Found | None], ...] = (
    _thermo,
    _zeiss,
    _tvips,
    _olympus,
    _digital_micrograph,
    _ome,
    _imagej,
)


def _from_resolution(page: tifffile.TiffPage) -> Acquisition:
    """Take resolution tags for a calibration only if no printer has such pixels."""
    unit = {2: "inch", 3: "cm"}.get(int(page.tags.valueof("ResolutionUnit", 1)))
    scales = _scales(page)
    if unit is None or scales is None:
        return Acquisition()
    if max(scales) * (nm_per(unit) or 0) >= _SMALLEST_PRINTED_NM:
        return Acquisition()
    return Acquisition(pixel_size_nm=pixel_size_nm(*scales, unit))


def _scales(page: tifffile.TiffPage) -> tuple[float, float] | None:
    """Return the height and width of a pixel in the unit of the resolution tags, from pixels per unit."""
    rationals = [page.tags.valueof(name) for name in ("YResolution", "XResolution")]
    if any(rational is None or 0 in rational for rational in rationals):
        return None
    return tuple(float(denominator) / float(numerator) for numerator, denominator in rationals)  # type: ignore[return-value]


def _metres(edge: tuple[Any, Any]) -> float | None:
    """Return a pixel's edge in nm from height and width in metres; None unless both are numbers."""
    height, width = edge
    both_numbers = isinstance(height, (int, float)) and isinstance(width, (int, float))
    return pixel_size_nm(height, width, "m") if both_numbers else None


def _section(meta: dict, name: str) -> dict:
    section = meta.get(name)
    return section if isinstance(section, dict) else {}


def _value(meta: dict, name: str) -> Any:
    """Return the number of a Zeiss parameter, which is a tuple of its label, its value and its unit."""
    entry = meta.get(name, ())
    return entry[1] if len(entry) > 1 else None
