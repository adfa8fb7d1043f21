"""Fast simulation against multislice through abTEM, and tilt series, in one run.

The baseline is abTEM's multislice of every particle as it is usually run (a grid of 0.2 angstrom, slices of 2); the
converged one (0.1 angstrom) is what the truth of the other models is judged by.
"""

import time

import numpy as np
import pytest

from nanodefect_assets.science.crystal.layered import fcc_particle
from nanodefect_assets.science.crystal.params import CrystalParams
from nanodefect_assets.science.synthetic import multislice
from nanodefect_assets.science.synthetic.dark_field import project_atoms
from nanodefect_assets.science.synthetic.geometry import view_rotation
from nanodefect_assets.science.synthetic.micrographs import hrtem_field, hrtem_focal_series, stem_field
from nanodefect_assets.science.synthetic.params import HrtemFieldParams, StemFieldParams, TiltSeriesParams
from nanodefect_assets.science.synthetic.tilts import tilt_series

ROUNDS = 3
FIELD = {"n_rows": 512, "n_cols": 512, "pixel_size_nm": 0.04, "n_particles": 8, "median_diameter_nm": 4.0}


def best_seconds(function, rounds=ROUNDS):
    times = []
    for _ in range(rounds):
        begun = time.perf_counter()
        function()
        times.append(time.perf_counter() - begun)
    return min(times)


def field_seconds(scattering, rounds=ROUNDS):
    params = HrtemFieldParams(**FIELD, scattering=scattering)
    return best_seconds(lambda: hrtem_field(params, rng=np.random.default_rng(1)), rounds)


@pytest.mark.benchmark
def test_fields_per_second(capsys, monkeypatch):
    pytest.importorskip("abtem")
    hrtem_field(HrtemFieldParams(**FIELD | {"n_particles": 1}, scattering="multislice"), rng=np.random.default_rng(1))
    seconds = {scattering: field_seconds(scattering) for scattering in ("weak_phase", "phase_grating")}
    seconds["multislice, converged"] = field_seconds("multislice", 1)
    monkeypatch.setattr(multislice, "_FINEST_ANGSTROM", 0.2)
    seconds["multislice, usual"] = field_seconds("multislice", 1)
    stem = StemFieldParams(**FIELD)
    seconds["linear dark field"] = best_seconds(lambda: stem_field(stem, rng=np.random.default_rng(1)))
    baseline = seconds["multislice, usual"]

    with capsys.disabled():
        print("\nfields of 512 x 512 with 8 particles of 4 nm")
        for name, taken in seconds.items():
            print(f"  {name:24} {1 / taken:8.2f} fields/s  {baseline / taken:7.1f} x")
    assert seconds["phase_grating"] < baseline / 5


@pytest.mark.benchmark
def test_further_defoci_cost_little(capsys):
    params = HrtemFieldParams(**FIELD)

    def series(n_defoci):
        return best_seconds(
            lambda: hrtem_focal_series(
                params, [8.0] * n_defoci, rng=np.random.default_rng(1), micrograph_id="b/end/a.tif"
            )
        )

    one, six = series(1), series(6)
    with capsys.disabled():
        print(f"\none defocus {one:.2f} s, each further one {(six - one) / 5:.3f} s")
    assert (six - one) / 5 < one


@pytest.mark.benchmark
def test_tilt_series_of_a_large_particle(capsys):
    particle = fcc_particle(CrystalParams(symbol="Pd", lattice_angstrom=3.891, diameter_angstrom=93))
    rotations = np.array([view_rotation(0, tilt, 0) for tilt in np.linspace(64, -61, 49)])
    linear = best_seconds(
        lambda: project_atoms(particle, rotations, 340, pixel_size_angstrom=0.35, sigma_angstrom=0.45, power=1.7)
    )
    whole = best_seconds(lambda: tilt_series(particle, TiltSeriesParams(n_pixels=340), rng=np.random.default_rng(0)))

    with capsys.disabled():
        print(f"\n49 views of {len(particle):,} atoms: projections {linear:.2f} s; with both noisy scans {whole:.2f} s")
    assert linear < 5
