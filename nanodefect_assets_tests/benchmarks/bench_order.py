"""Order of 12,000 atoms, in one run: against a compiled loop over all orientations, and against template matching."""

import time

import numpy as np
import pytest
from numba import njit, prange

from nanodefect_assets.science.atoms.grains import find_grains
from nanodefect_assets.science.atoms.neighbours import find_shells, measure_bond
from nanodefect_assets.science.atoms.order import classify_order, match_shells
from nanodefect_assets.science.atoms.params import GrainParams, OrderParams
from nanodefect_assets.science.atoms.templates import all_orientations, template
from nanodefect_assets.science.crystal.disturb import disturb, turned_at_random
from nanodefect_assets.science.crystal.layered import faulted_particle
from nanodefect_assets.science.crystal.params import CrystalParams, DisturbanceParams

pytestmark = pytest.mark.benchmark
ROUNDS = 3


def particle(diameter_angstrom):
    rng = np.random.default_rng(1)
    params = CrystalParams(diameter_angstrom=diameter_angstrom, shape="sphere")
    heated = disturb(faulted_particle("hffffhh", params), DisturbanceParams(thermal_rms_angstrom=0.15), rng=rng)
    return turned_at_random(heated, rng=rng).positions_angstrom


@njit(parallel=True)
def brute_force(vectors, n_found, templates, orientations):
    """Eq. 2.1 for every atom, template and orientation; nearest neighbour of each vertex."""
    scores = np.zeros((len(vectors), len(templates)))
    for atom in prange(len(vectors)):
        for kind in range(len(templates)):
            for at in range(len(orientations)):
                score = 0.0
                for j in range(12):
                    p, m = templates[kind, j], orientations[at]
                    x = m[0, 0] * p[0] + m[0, 1] * p[1] + m[0, 2] * p[2]
                    y = m[1, 0] * p[0] + m[1, 1] * p[1] + m[1, 2] * p[2]
                    z = m[2, 0] * p[0] + m[2, 1] * p[1] + m[2, 2] * p[2]
                    nearest = 0.25
                    for i in range(n_found[atom]):
                        dx, dy, dz = vectors[atom, i, 0] - x, vectors[atom, i, 1] - y, vectors[atom, i, 2] - z
                        nearest = min(nearest, dx * dx + dy * dy + dz * dz)
                    score += 1 - 2 * np.sqrt(nearest)
                scores[atom, kind] = max(scores[atom, kind], score)
    return scores


def fastest(function, *arguments, rounds=ROUNDS):
    """Return the result and the shortest time of some rounds, after one that compiles."""
    result, times = function(*arguments), []
    for _ in range(rounds):
        start = time.perf_counter()
        result = function(*arguments)
        times.append(time.perf_counter() - start)
    return result, min(times)


def template_matching(positions):
    mdapy = pytest.importorskip("mdapy", reason="the Python package mdapy is not installed")
    polars = pytest.importorskip("polars")
    shifted = positions - positions.min(axis=0) + 20
    box = mdapy.Box(np.diag(shifted.max(axis=0) + 20))
    system = mdapy.System(data=polars.DataFrame(dict(zip("xyz", shifted.T.copy(), strict=True))), box=box)
    system.cal_polyhedral_template_matching(structure="fcc-hcp-ico", rmsd_threshold=0.15)
    return system.data["ptm"].to_numpy()


def test_matching_is_ten_times_faster_than_trying_all_orientations(record_property, capsys):
    positions = particle(71.0)
    shells = find_shells(positions, measure_bond(positions).mean_angstrom)
    templates = np.array([template("fcc"), template("hcp")])
    few = slice(0, 200)
    brute_force(shells.vectors[few], shells.n_found[few], templates, all_orientations()[:10])

    start = time.perf_counter()
    slow = brute_force(shells.vectors, shells.n_found, templates, all_orientations())
    slow_s = time.perf_counter() - start
    matches, fast_s = fastest(match_shells, shells, OrderParams())
    with capsys.disabled():
        print(f"\n{len(positions)} atoms: {slow_s:.1f} s, ours {fast_s:.2f} s, {slow_s / fast_s:.0f} x")
    record_property("ratio", slow_s / fast_s)

    assert 11_000 < len(positions) < 13_000
    assert slow_s / fast_s > 10
    assert (matches.scores[:, :2].max(axis=1) - slow.max(axis=1)).min() > -0.15
    full = shells.n_found == 12
    assert np.mean(matches.scores[full, :2].argmax(axis=1) == slow[full].argmax(axis=1)) > 0.95


def test_order_is_within_ten_times_of_template_matching(record_property, capsys):
    positions = particle(71.0)
    theirs, library_s = fastest(template_matching, positions)
    order, ours_s = fastest(classify_order, positions, OrderParams())
    with capsys.disabled():
        print(f"\nmdapy {library_s:.2f} s, ours {ours_s:.2f} s, {ours_s / library_s:.1f} x")
    record_property("ratio", ours_s / library_s)

    ordered = np.isin(theirs, [1, 2])
    ours = np.select([order.order == "fcc", order.order == "hcp"], [1, 2], 0)
    assert np.mean(ours[ordered] == theirs[ordered]) > 0.98
    assert ours_s / library_s < 10


def test_ninety_four_thousand_atoms_fit_easily(capsys):
    positions = particle(141.0)
    order, order_s = fastest(classify_order, positions, OrderParams(), rounds=1)
    grain_map, grains_s = fastest(find_grains, order, GrainParams(), rounds=1)
    with capsys.disabled():
        print(f"\n{len(positions)} atoms: order {order_s:.1f} s, grains {grains_s:.1f} s")

    assert len(positions) > 85_000
    assert (grain_map.count_defects("twin"), grain_map.count_defects("intrinsic")) == (1, 1)
    assert order_s + grains_s < 60
