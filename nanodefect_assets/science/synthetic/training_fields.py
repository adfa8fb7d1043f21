"""Simulated HRTEM micrographs to train on: many, unlike one another, each a pure function of seed and number."""

from typing import cast

import numpy as np

from nanodefect_assets.domain.randomness import generator_for
from nanodefect_assets.science.synthetic.micrographs import hrtem_field
from nanodefect_assets.science.synthetic.params import HrtemFieldParams, Material
from nanodefect_assets.science.synthetic.placement import NoRoom
from nanodefect_assets.science.synthetic.training_params import TrainingFieldParams
from nanodefect_assets.science.synthetic.truth import SimulatedField

FIELDS_VERSION = "1"
"""Raised when the same parameters make other pixels."""

_LARGEST_SHARE = 0.6
"""Of the field's edge; larger particles would leave no support to tell them from."""

_SMALLEST_NM = 0.9
_FEWER = 0.7


def draw_field(params: TrainingFieldParams, number: int) -> HrtemFieldParams:
    """Return what field `number` of a training set holds and how it is seen.

    It does not depend on how many fields there are, nor on the other ones.
    """
    rng = generator_for(params.field_seed, "training_field", str(number))
    material = cast("Material", params.materials[number % len(params.materials)])
    pixel_size_nm = _between_logs(params.pixel_size_nm, rng)
    edge_nm = params.field_px * pixel_size_nm
    diameter_nm = max(_SMALLEST_NM, min(_between_logs(params.diameter_nm, rng), _rounded(_LARGEST_SHARE * edge_nm)))
    drift_nm, drift_angle = _between(params.drift_nm, rng), rng.uniform(0, 2 * np.pi)
    n_particles = _between(params.covered_fraction, rng) * (edge_nm + diameter_nm) ** 2 / (np.pi / 4 * diameter_nm**2)
    return HrtemFieldParams(
        n_rows=params.field_px,
        n_cols=params.field_px,
        pixel_size_nm=pixel_size_nm,
        material=material,
        n_particles=max(1, round(n_particles)),
        median_diameter_nm=diameter_nm,
        sigma_diameter=_rounded(rng.uniform(0.05, 0.25)),
        multiply_twinned_fraction=0.0 if material == "CdSe" else 0.25,
        aligned_fraction=_between(params.aligned_fraction, rng),
        overlapping_fraction=_rounded(rng.uniform(0, 0.3)),
        min_gap_nm=_rounded(rng.uniform(0, 1)),
        dose_e_per_nm2=_between_logs(params.dose_e_per_nm2, rng),
        mtf_at_nyquist=_between(params.mtf_at_nyquist, rng),
        defocus_nm=_between(params.defocus_nm, rng),
        focal_spread_nm=_between(params.focal_spread_nm, rng),
        carbon_thickness_nm=_between(params.carbon_thickness_nm, rng),
        drift_rows_nm=_rounded(drift_nm * np.sin(drift_angle)),
        drift_cols_nm=_rounded(drift_nm * np.cos(drift_angle)),
        scattering=params.scattering,
    )


def simulate_field(field: HrtemFieldParams, *, seed: int, number: int, micrograph_id: str) -> SimulatedField:
    """Return a simulated field with its truth; where particles find no room, one with fewer of them.

    Parameters
    ----------
    field : HrtemFieldParams
        As `draw_field` returned it.
    seed, number : int
        Seed of the set and number of the field: the same ones give the same pixels.
    micrograph_id : str
        Identifier of the micrograph.
    """
    while True:
        rng = generator_for(seed, "training_pixels", str(number), str(field.n_particles))
        try:
            return hrtem_field(field, rng=rng, micrograph_id=micrograph_id)
        except NoRoom:
            if field.n_particles == 1:
                raise
            field = field.model_copy(update={"n_particles": max(1, int(_FEWER * field.n_particles))})


def _between(span: list[float], rng: np.random.Generator) -> float:
    low, high = span
    return _rounded(rng.uniform(low, high))


def _between_logs(span: list[float], rng: np.random.Generator) -> float:
    low, high = np.log(span)
    return _rounded(float(np.exp(rng.uniform(low, high))))


def _rounded(value: float) -> float:
    """Return four digits of a number, as a person would write it down."""
    return float(f"{value:.4g}")
