"""`nanodefect simulate --chiral`: a batch of chiral particles under a scanning microscope, with the truth beside it.

The hand of every particle lies in the hidden folder ``.truth``, which the door passes over; a few are stated in
batch.yaml as anchors.
"""

import shutil
from collections.abc import Mapping
from pathlib import Path
from shlex import quote
from typing import TYPE_CHECKING

import click
import numpy as np
from pydantic import ValidationError

from nanodefect_assets.cli.simulate import TRUTH, say_step
from nanodefect_assets.domain.keys import aliquot_label
from nanodefect_assets.domain.progress import OnStep, Progress, ignore_progress
from nanodefect_assets.domain.randomness import generator_for
from nanodefect_assets.science.synthetic.chiral_params import ChiralBatchParams

if TYPE_CHECKING:
    from nanodefect_assets.science.synthetic.chiral import ChiralField

HANDS = "hands.csv"
_VOLTAGE_KV = 5.0
_NOTE = "Simulated. No microscope has seen these particles."


def simulate_chiral_batch(out: Path, params: ChiralBatchParams, on_step: OnStep = ignore_progress) -> Path:
    """Write a simulated batch of chiral particles below `out` and return its folder.

    Parameters
    ----------
    out : Path
        Folder to write into, such as the landing folder. The batch grows in a hidden folder.
    params : ChiralBatchParams
        What it holds. The same parameters give the same bytes.
    on_step : callable
        Called before each micrograph.

    Raises
    ------
    FileExistsError
        If there is a folder of the batch's name already: nothing is ever overwritten.
    """
    from nanodefect_assets.science.synthetic.chiral import chiral_field
    from nanodefect_assets.stores.simulated import write_particle_truth, write_sem_tiff

    folder = out / f"{params.prefix}-te-{params.seed}"
    if folder.exists():
        raise FileExistsError(f"{folder} is there already, and is never overwritten. Take another seed or prefix.")
    growing = folder.with_name(f".{folder.name}")
    shutil.rmtree(growing, ignore_errors=True)
    (growing / TRUTH).mkdir(parents=True)
    names = [(time, number) for time in params.growth_times or (None,) for number in range(params.n_micrographs)]
    hands: list[dict[str, object]] = []
    anchors: list[str] = []
    for done, (time, number) in enumerate(names):
        path = f"{_below(time)}sem-{number:03d}.tif"
        on_step(Progress(task="simulating", done=done, total=len(names), detail=f"{folder.name}/{path}"))
        rng = generator_for(params.seed, folder.name, path)
        seen = chiral_field(params.field, params.particles, params.population, rng=rng)
        (growing / path).parent.mkdir(exist_ok=True)
        micrograph = seen.labelled.micrograph
        write_sem_tiff(
            growing / path, micrograph.counts, pixel_size_nm=params.field.pixel_size_nm, voltage_kv=_VOLTAGE_KV
        )
        hands += _hands(path, seen)
        if len(anchors) < params.n_anchors and (anchor := _anchor(path, seen)) is not None:
            anchors.append(anchor)
    if hands:
        write_particle_truth(growing / TRUTH / HANDS, hands)
    _describe(growing, folder.name, params, anchors)
    growing.rename(folder)
    return folder


def _below(time: str | None) -> str:
    return "" if time is None else f"{aliquot_label(time).replace(' ', '')}/"


def _hands(path: str, seen: "ChiralField") -> list[dict[str, object]]:
    """Return the truth about each particle of which something is seen."""
    labels = seen.labelled.labels
    rows: list[dict[str, object]] = []
    for number in np.unique(labels[labels > 0]).tolist():
        at = np.argwhere(labels == number)
        centre_row, centre_col = at.mean(axis=0)
        rows.append(
            {
                "micrograph": path,
                "particle": number,
                "hand": "right" if seen.is_right[number - 1] else "left",
                "centre_row_px": round(float(centre_row), 2),
                "centre_col_px": round(float(centre_col), 2),
                "n_visible_px": len(at),
            }
        )
    return rows


def _anchor(path: str, seen: "ChiralField") -> str | None:
    """Return a line of batch.yaml for the particle of which most is seen, of those that stand alone and whole."""
    from scipy.ndimage import binary_dilation, distance_transform_edt

    labels = seen.labelled.labels
    sizes = np.bincount(labels.ravel())
    sizes[0] = 0
    for number in np.argsort(-sizes, kind="stable")[: np.count_nonzero(sizes)].tolist():
        own = labels == number
        around = binary_dilation(own, iterations=3) & ~own
        is_at_edge = own[[0, -1]].any() or own[:, [0, -1]].any()
        if is_at_edge or labels[around].any():
            continue
        row, col = np.unravel_index(np.argmax(distance_transform_edt(own)), own.shape)
        return f"{path} {row},{col} {'right' if seen.is_right[number - 1] else 'left'}"
    return None


def _describe(folder: Path, name: str, params: ChiralBatchParams, anchors: list[str]) -> None:
    from nanodefect_assets.stores.simulated import write_batch_yaml

    entries = [
        {"path": f"{_below(time)}*.tif", "modality": "sem", **({} if time is None else {"aliquot": time})}
        for time in params.growth_times or (None,)
    ]
    aliquots = [{"time": time} for time in params.growth_times]
    write_batch_yaml(
        folder,
        {
            "batch": name,
            "material": "Te",
            "note": _NOTE,
            "simulated": True,
            **({"aliquots": aliquots} if aliquots else {}),
            "chirality": {
                "true_enantiomers": params.looks == "ideal",
                "expected_minority_share": params.left_fraction,
                "anchors": anchors,
            },
            "files": entries,
        },
    )


def write_chiral(out: Path, choices: Mapping[str, object]) -> None:
    """Write a chiral batch as the command line asks for it, with progress."""
    try:
        folder = simulate_chiral_batch(out, ChiralBatchParams.model_validate(choices), say_step)
    except (ValidationError, FileExistsError) as error:
        raise click.ClickException(str(error)) from error
    click.echo(f"SIMULATED batch in {folder}. Take it in: nanodefect ingest {quote(str(folder))}")
