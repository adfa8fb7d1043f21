"""Size distribution of the particles of an aliquot, undone of what the frame's edges hide."""

import numpy as np
import pandas as pd

from nanodefect_assets.domain.keys import Place
from nanodefect_assets.domain.schemas import SIZE_DISTRIBUTIONS, SIZE_HISTOGRAMS
from nanodefect_assets.domain.tables import Table
from nanodefect_assets.science.population.bins import round_bin_edges
from nanodefect_assets.science.population.params import SizeParams
from nanodefect_assets.science.population.weighted import (
    clustered_standard_error,
    fit_lognormal,
    lognormal_distance,
    weighted_mean,
    weighted_quantile,
    weighted_sd,
)

_KEY = list(SIZE_DISTRIBUTIONS.key)

_DTYPES = {"text": "str", "int": "int64", "float": "float64", "bool": "bool"}


def summarise_sizes(
    particles: pd.DataFrame, params: SizeParams, *, micrographs: pd.DataFrame | None = None
) -> pd.DataFrame:
    """Summarise equivalent diameters: mean with its standard error, spread, median and a lognormal fit.

    Parameters
    ----------
    particles : DataFrame
        Rows of `PARTICLES`, of any number of samples.
    params : SizeParams
        From how many particles on a distribution is fitted.
    micrographs : DataFrame or None
        Rows of `MICROGRAPHS`. Where given, aliquots in whose micrographs no particle was found have a row too.

    Returns
    -------
    DataFrame
        Rows of `SIZE_DISTRIBUTIONS`: one per aliquot, length unit and whether simulated. Without a particle that
        counts, the counts are 0 and the rest is not a number.

    Notes
    -----
    Particles at an edge are left out, the others count with their inclusion weight. The standard error takes each
    micrograph as a cluster: with a single micrograph it is not a number, because how micrographs differ is not known.
    """
    rows = [key | _summary(group, params) for key, group in _groups(particles, micrographs)]
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
    rows = [key | bin_row for key, group in _groups(particles, None) for bin_row in _bin_rows(group, params)]
    return _as_table(rows, SIZE_HISTOGRAMS)


def _groups(particles: pd.DataFrame, micrographs: pd.DataFrame | None) -> list[tuple[dict, pd.DataFrame]]:
    """Return the key of each aliquot, length unit and whether simulated, with its particles, in the order of keys."""
    is_calibrated = particles["equivalent_diameter_nm"].notna()
    diameters = particles["equivalent_diameter_nm"].where(is_calibrated, particles["equivalent_diameter_px"])
    keyed = _keys(particles, is_calibrated).assign(
        diameter=diameters.astype(float),
        weight=particles["inclusion_weight"].astype(float),
        touches_edge=particles["touches_edge"].astype(bool),
        micrograph_id=particles["micrograph_id"],
    )
    groups = {key: group for key, group in keyed.groupby(_KEY)}
    if micrographs is not None:
        for key in _keys(micrographs, micrographs["pixel_size_nm"].notna()).itertuples(index=False, name=None):
            groups.setdefault(key, keyed.iloc[:0])
    return [(dict(zip(_KEY, key, strict=True)), groups[key]) for key in sorted(groups)]


def _keys(table: pd.DataFrame, is_calibrated: pd.Series) -> pd.DataFrame:
    places = {name: Place.of_sample("/".join(name.split("/")[:2])) for name in table["micrograph_id"].unique()}
    return pd.DataFrame(
        {
            "synthesis_batch": table["micrograph_id"].map({name: place.batch for name, place in places.items()}),
            "aliquot_time": table["micrograph_id"].map({name: place.aliquot for name, place in places.items()}),
            "length_unit": np.where(is_calibrated, "nm", "px"),
            "is_simulated": table["is_simulated"].astype(bool),
        }
    )


def _summary(group: pd.DataFrame, params: SizeParams) -> dict[str, float | int]:
    inner = group[~group["touches_edge"]]
    clusters, micrographs = pd.factorize(inner["micrograph_id"])
    row: dict[str, float | int] = {
        "n_micrographs": len(micrographs),
        "n_particles": len(inner),
        "n_edge": len(group) - len(inner),
    }
    if inner.empty:
        return row
    diameters, weights = inner["diameter"].to_numpy(), inner["weight"].to_numpy()
    row |= {
        "mean_diameter": weighted_mean(diameters, weights),
        "mean_diameter_se": clustered_standard_error(diameters, weights, clusters),
        "sd_diameter": weighted_sd(diameters, weights),
        "median_diameter": weighted_quantile(diameters, weights, 0.5),
    }
    return row | _lognormal(diameters, weights) if len(inner) >= params.min_particles_for_fit else row


def _lognormal(diameters: np.ndarray, weights: np.ndarray) -> dict[str, float]:
    median, sigma = fit_lognormal(diameters, weights)
    distance = lognormal_distance(diameters, weights, median, sigma)
    return {"lognormal_median": median, "lognormal_sigma": sigma, "lognormal_ks": distance}


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
