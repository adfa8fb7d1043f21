"""Size distribution of the particles of an aliquot, undone of what the frame's edges hide."""

import numpy as np
import pandas as pd

from nanodefect_assets.domain.keys import Place
from nanodefect_assets.domain.schemas import SIZE_DISTRIBUTIONS, SIZE_HISTOGRAMS
from nanodefect_assets.domain.tables import Table
from nanodefect_assets.science.population.bins import round_bin_edges
from nanodefect_assets.science.population.lognormal import fit_lognormal, kept_fraction, lognormal_distance
from nanodefect_assets.science.population.params import SizeParams
from nanodefect_assets.science.population.resampling import SizeSample, bootstrap_errors
from nanodefect_assets.science.population.weighted import (
    clustered_standard_error,
    interval_95,
    ratio_standard_error,
    weighted_mean,
    weighted_quantile,
    weighted_sd,
)

_KEY = list(SIZE_DISTRIBUTIONS.key)

_DTYPES = {"text": "str", "int": "int64", "float": "float64", "bool": "bool"}

_UM2_PER_NM2 = 1e-6

_ROUNDING = 1e-9
"""Relative; a particle of just the smallest area kept has the smallest diameter but for rounding."""

_NONE = pd.DataFrame({"diameter": [0.0], "weight": 0.0, "touches_edge": False, "micrograph_id": ""}).iloc[:0]


def summarise_sizes(
    particles: pd.DataFrame, micrographs: pd.DataFrame, params: SizeParams, *, rng: np.random.Generator
) -> pd.DataFrame:
    """Summarise equivalent diameters: mean, spread, median and a lognormal fit, how sure they are, number density.

    Parameters
    ----------
    particles : DataFrame
        Rows of `PARTICLES`, of any number of samples.
    micrographs : DataFrame
        Rows of `MICROGRAPHS`: every one in which particles were looked for, found or not. A further column
        ``min_diameter_px`` has the smallest equivalent diameter that segmentation kept in each, 0 for none, and
        ``own_area_px`` how many pixels of it no other tile of a map shows better.
    params : SizeParams
        From how many particles on a distribution is fitted, and how often micrographs are drawn again.
    rng : Generator
        Draws files.

    Returns
    -------
    DataFrame
        Rows of `SIZE_DISTRIBUTIONS`: one per aliquot, length unit and whether simulated. Without a particle that
        counts, sizes are not numbers.

    Notes
    -----
    Particles at an edge and duplicates are left out, the others count with their inclusion weight. Where micrographs
    differ in the smallest diameter kept, mean, spread, median and number density are of particles that every one of
    them would have kept; the lognormal fit knows of each micrograph's own limit and takes all. Errors take each file
    as a cluster, for frames of one file may show one field of view: with a single file they are not numbers, because
    how fields differ is not known. Those of sizes take the files with particles, that of the number density all. Mean
    and number density have the ratio estimator's error, the others that of files drawn again.
    """
    if unknown := set(particles["micrograph_id"]) - set(micrographs["micrograph_id"]):
        raise ValueError(f"Expected the micrographs of all particles. Missing: {sorted(unknown)[:3]}.")
    found = dict(_groups(particles))
    looked_at = _keys(micrographs, micrographs["pixel_size_nm"].notna()).groupby(_KEY).indices
    rows = [
        dict(zip(_KEY, key, strict=True))
        | _summary(found.get(key, _NONE), micrographs.iloc[looked_at[key]], params, rng=rng)
        for key in sorted(looked_at)
    ]
    return _as_table(rows, SIZE_DISTRIBUTIONS)


def histogram_sizes(particles: pd.DataFrame, params: SizeParams) -> pd.DataFrame:
    """Count equivalent diameters in bins of equal, round width.

    Parameters
    ----------
    particles : DataFrame
        Rows of `PARTICLES`, of any number of samples.
    params : SizeParams
        How many bins at most.

    Returns
    -------
    DataFrame
        Rows of `SIZE_HISTOGRAMS`, from the smallest particle to the largest; a bin holds its lower edge. None for an
        aliquot without a particle that counts.
    """
    rows = [
        dict(zip(_KEY, key, strict=True)) | bin_row
        for key, group in _groups(particles)
        for bin_row in _bin_rows(group, params)
    ]
    return _as_table(rows, SIZE_HISTOGRAMS)


def _groups(particles: pd.DataFrame) -> list[tuple[tuple, pd.DataFrame]]:
    """Return the particles that count of each aliquot, length unit and whether simulated, sorted by these."""
    particles = particles[particles["duplicate_of"].isna()]
    is_calibrated = particles["equivalent_diameter_nm"].notna()
    diameters = particles["equivalent_diameter_nm"].where(is_calibrated, particles["equivalent_diameter_px"])
    keyed = _keys(particles, is_calibrated).assign(
        diameter=diameters.astype(float),
        weight=particles["inclusion_weight"].astype(float),
        touches_edge=particles["touches_edge"].astype(bool),
        micrograph_id=particles["micrograph_id"],
    )
    return [(key, group[list(_NONE)]) for key, group in keyed.groupby(_KEY)]


def _keys(table: pd.DataFrame, is_calibrated: pd.Series) -> pd.DataFrame:
    places = {name: Place.of_sample("/".join(name.split("/")[:2])) for name in table["micrograph_id"].unique()}
    return pd.DataFrame(
        {
            "synthesis_batch": table["micrograph_id"].map({name: place.batch for name, place in places.items()}),
            "aliquot_time": table["micrograph_id"].map({name: place.aliquot for name, place in places.items()}),
            "modality": table["modality"].astype(str),
            "length_unit": np.where(is_calibrated, "nm", "px"),
            "is_simulated": table["is_simulated"].astype(bool),
        }
    )


def _summary(
    group: pd.DataFrame, micrographs: pd.DataFrame, params: SizeParams, *, rng: np.random.Generator
) -> dict[str, float | int]:
    inner = group[~group["touches_edge"]]
    sample = _sample(inner, micrographs)
    min_diameter = float(_smallest_diameters(micrographs).max())
    is_kept = sample.diameters >= min_diameter * (1 - _ROUNDING)
    kept = inner[is_kept]
    row: dict[str, float | int] = {
        "n_micrographs": len(micrographs),
        "n_micrographs_with_particles": kept["micrograph_id"].nunique(),
        "n_files_with_particles": _sample(kept, micrographs).n_clusters,
        "n_particles": len(kept),
        "n_edge": len(group) - len(inner),
        "n_below_min_diameter": len(inner) - len(kept),
        "min_diameter": min_diameter,
    }
    row |= _number_density(kept, micrographs)
    errors: dict[str, float] = {}
    if with_fit := len(inner) >= params.min_particles_for_fit:
        errors = bootstrap_errors(sample, params.n_resamples, with_fit=True, rng=rng)
        row |= _lognormal(sample, errors)
    if len(kept) == 0:
        return row
    if len(kept) < len(inner) or not with_fit:
        sample = _sample(kept, micrographs)
        errors = bootstrap_errors(sample, params.n_resamples, with_fit=False, rng=rng)
    return row | _mean(sample) | _spread(sample, errors)


def _sample(inner: pd.DataFrame, micrographs: pd.DataFrame) -> SizeSample:
    where = _positions(inner, micrographs)
    return SizeSample(
        diameters=inner["diameter"].to_numpy(),
        weights=inner["weight"].to_numpy(),
        cuts=_smallest_diameters(micrographs)[where],
        clusters=np.unique(_files(micrographs)[where], return_inverse=True)[1],
    )


def _positions(particles: pd.DataFrame, micrographs: pd.DataFrame) -> np.ndarray:
    """Return the row of the micrograph of each particle."""
    return pd.Index(micrographs["micrograph_id"]).get_indexer(pd.Index(particles["micrograph_id"]))


def _files(micrographs: pd.DataFrame) -> np.ndarray:
    """Return the number of the file of each micrograph."""
    return pd.factorize(micrographs["file_id"])[0]


def _smallest_diameters(micrographs: pd.DataFrame) -> np.ndarray:
    """Return the smallest diameter that segmentation kept in each micrograph, in nm or else px."""
    return (micrographs["min_diameter_px"] * micrographs["pixel_size_nm"].fillna(1.0)).to_numpy(dtype=float)


def _number_density(inner: pd.DataFrame, micrographs: pd.DataFrame) -> dict[str, float]:
    """Return particles per area: weights over the area that micrographs show together, unbiased on equal frames."""
    areas = micrographs["own_area_px"] * micrographs["pixel_size_nm"] ** 2 * _UM2_PER_NM2
    files = _files(micrographs)
    areas_um2 = np.bincount(files, areas.to_numpy(dtype=float))
    n_expected = np.bincount(files[_positions(inner, micrographs)], inner["weight"], minlength=areas_um2.size)
    error = ratio_standard_error(n_expected, areas_um2) if len(inner) else float("nan")
    return {
        "number_density_per_um2": float(n_expected.sum() / areas_um2.sum()),
        "number_density_per_um2_se": error,
    }


def _mean(sample: SizeSample) -> dict[str, float]:
    mean = weighted_mean(sample.diameters, sample.weights)
    error = clustered_standard_error(sample.diameters, sample.weights, sample.clusters)
    low, high = interval_95(mean, error, sample.n_clusters)
    return {
        "mean_diameter": mean,
        "mean_diameter_se": error,
        "mean_diameter_low": low,
        "mean_diameter_high": high,
    }


def _spread(sample: SizeSample, errors: dict[str, float]) -> dict[str, float]:
    return {
        "sd_diameter": weighted_sd(sample.diameters, sample.weights),
        "sd_diameter_se": errors.get("sd", np.nan),
        "median_diameter": weighted_quantile(sample.diameters, sample.weights, 0.5),
        "median_diameter_se": errors.get("median", np.nan),
    }


def _lognormal(sample: SizeSample, errors: dict[str, float]) -> dict[str, float]:
    fit = fit_lognormal(sample.diameters, sample.weights, sample.cuts)
    if np.isnan(fit.sigma):
        return {}
    return {
        "lognormal_median": fit.median,
        "lognormal_median_se": errors.get("lognormal_median", np.nan),
        "lognormal_sigma": fit.sigma,
        "lognormal_sigma_se": errors.get("lognormal_sigma", np.nan),
        "lognormal_kept_fraction": kept_fraction(fit, sample.weights, sample.cuts),
        "lognormal_ks": lognormal_distance(sample.diameters, sample.weights, sample.cuts, fit),
    }


def _bin_rows(group: pd.DataFrame, params: SizeParams) -> list[dict[str, float | int]]:
    inner = group[~group["touches_edge"]]
    if inner.empty:
        return []
    diameters, weights = inner["diameter"].to_numpy(), inner["weight"].to_numpy()
    edges = round_bin_edges(diameters, weights, params.max_bins)
    bins = np.searchsorted(edges, diameters, side="right") - 1
    n_particles = np.bincount(bins, minlength=edges.size - 1)
    fractions = np.bincount(bins, weights, minlength=edges.size - 1) / weights.sum()
    return [
        {"bin_low": low, "bin_high": high, "n_particles": n, "fraction": fraction}
        for low, high, n, fraction in zip(edges[:-1], edges[1:], n_particles, fractions, strict=True)
    ]


def _as_table(rows: list[dict], table: Table) -> pd.DataFrame:
    frame = pd.DataFrame(rows, columns=list(table.names))
    return frame.astype({column.name: _DTYPES[column.type] for column in table.columns})
