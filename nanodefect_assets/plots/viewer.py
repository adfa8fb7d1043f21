"""A particle in three dimensions, in one web page that needs nothing else."""

import base64
import html
import json

import numpy as np
from jaxtyping import Int, Num

from nanodefect_assets.domain.atom_order import ORDER_CLASSES, AtomOrder
from nanodefect_assets.domain.grain_map import GrainMap
from nanodefect_assets.plots.viewer_page import PAGE

ORDER_COLOURS = {
    "fcc": "#3b6fd4",
    "hcp": "#d43b3b",
    "five_fold": "#e8b400",
    "icosahedral": "#2ca02c",
    "ambiguous": "#a06bd0",
    "surface": "#b8b8b8",
    "disordered": "#6b4a2b",
}
_GRAIN_COLOURS = ("#1f77b4", "#ff7f0e", "#2ca02c", "#d62728", "#9467bd", "#8c564b", "#e377c2", "#bcbd22", "#17becf")
_NO_GRAIN_COLOUR = "#b8b8b8"
_RANGE = 32000
"""Positions are sent as 16-bit numbers: 0.0003 nm in a particle of 20 nm."""


def build_viewer(order: AtomOrder, grain_map: GrainMap | None = None, *, title: str = "particle") -> str:
    """Return an HTML page that shows the atoms of a particle.

    Parameters
    ----------
    order : AtomOrder
        The labelled particle.
    grain_map : GrainMap or None
        Its grains and defects; without it, atoms can be coloured by order and score only.
    title : str
        Heading of the page.

    Returns
    -------
    str
        A page of about 11 bytes per atom that turns with the mouse, zooms with the wheel, colours by order, score,
        grain or defect, and shows or hides each class.
    """
    positions = order.positions_angstrom - order.positions_angstrom.mean(axis=0)
    extent = float(np.abs(positions).max()) or 1.0
    data = {
        "n": len(order),
        "scale": extent / _RANGE,
        "bond": order.bond.mean_angstrom,
        "positions": _packed(np.round(positions / extent * _RANGE), "<i2"),
        "colourings": _colourings(order, grain_map),
    }
    # A closing tag inside the data would end the script.
    text = json.dumps(data, separators=(",", ":")).replace("<", "\\u003c")
    return PAGE.replace("__TITLE__", html.escape(title)).replace("__DATA__", text)


def _colourings(order: AtomOrder, grain_map: GrainMap | None) -> list[dict[str, object]]:
    classes = np.array([ORDER_CLASSES.index(name) for name in order.order])
    found = [_colouring("order", classes, list(ORDER_CLASSES), [ORDER_COLOURS[name] for name in ORDER_CLASSES])]
    found.append(_by_difference(order))
    if grain_map is not None:
        found += [_by_grain(grain_map), _by_defect(grain_map)]
    return found


def _by_difference(order: AtomOrder) -> dict[str, object]:
    edges = np.array([-2.5, -1.5, -0.5, 0.5, 1.5, 2.5])
    names = ["fcc by 2.5 or more", "fcc by 1.5", "fcc by 0.5", "both", "hcp by 0.5", "hcp by 1.5", "hcp by 2.5 or more"]
    colours = ["#3b4cc0", "#7b9ff9", "#b5cdfa", "#dddddd", "#f6bda2", "#ee8468", "#b40426"]
    return _colouring("score", np.digitize(order.hcp_minus_fcc, edges), names, colours)


def _by_grain(grain_map: GrainMap) -> dict[str, object]:
    numbers = np.minimum(grain_map.grain, 253)
    last = int(numbers.max(initial=-1))
    names = ["no grain", *(f"grain {number}" for number in range(last + 1))]
    colours = [_NO_GRAIN_COLOUR, *(_GRAIN_COLOURS[number % len(_GRAIN_COLOURS)] for number in range(last + 1))]
    return _colouring("grain", numbers + 1, names, colours)


def _by_defect(grain_map: GrainMap) -> dict[str, object]:
    names = ["none", *sorted(set(grain_map.defect.tolist()) - {"none"})]
    values = np.array([names.index(name) for name in grain_map.defect.tolist()])
    colours = [_NO_GRAIN_COLOUR, *(_GRAIN_COLOURS[at % len(_GRAIN_COLOURS)] for at in range(len(names) - 1))]
    return _colouring("defect", values, names, colours)


def _colouring(name: str, values: Int[np.ndarray, " atom"], names: list[str], colours: list[str]) -> dict[str, object]:
    return {"name": name, "values": _packed(values, "u1"), "names": names, "colours": colours}


def _packed(values: Num[np.ndarray, "..."], kind: str) -> str:
    return base64.b64encode(np.ascontiguousarray(values).astype(kind).tobytes()).decode("ascii")
