import numpy as np
import pytest
from pydantic import ValidationError

from nanodefect_assets.science.synthetic.training_fields import draw_field, simulate_field
from nanodefect_assets.science.synthetic.training_params import TrainingFieldParams

SMALL = TrainingFieldParams(field_px=96, pixel_size_nm=[0.04, 0.05], diameter_nm=[1.0, 1.5])


def field(number, params=SMALL, **changes):
    drawn = draw_field(params, number).model_copy(update=changes)
    return simulate_field(drawn, seed=params.field_seed, number=number, micrograph_id="a/end/a")


def test_fields_lie_in_their_ranges_and_take_the_materials_in_turn():
    params = TrainingFieldParams()
    drawn = [draw_field(params, number) for number in range(300)]

    assert [one.material for one in drawn[:4]] == ["Au", "Pd", "CdSe", "Au"]
    for name in ("pixel_size_nm", "dose_e_per_nm2", "defocus_nm", "carbon_thickness_nm", "mtf_at_nyquist"):
        low, high = getattr(params, name)
        values = np.array([getattr(one, name) for one in drawn])
        assert low <= values.min() < low + (high - low) / 10
        assert high - (high - low) / 10 < values.max() <= high


def test_a_field_does_not_depend_on_the_others():
    first = field(3)
    field(1)

    again = field(3)

    assert np.array_equal(again.micrograph.counts, first.micrograph.counts)
    assert np.array_equal(again.labels, first.labels)
    assert not np.array_equal(field(6).micrograph.counts, first.micrograph.counts)


def test_a_full_field_gets_as_many_particles_as_find_room():
    crowded = field(0, n_particles=400, overlapping_fraction=0.0)

    assert 0 < len(crowded.particles) < 400


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({"pixel_size_nm": [0.05, 0.2]}, "so that lattices show"),
        ({"dose_e_per_nm2": [10.0, 1.0]}, "lower one first"),
        ({"diameter_nm": [0.0, 1.0]}, "above 0"),
        ({"materials": ["Fe"]}, "Fe"),
        ({"mtf_at_nyquist": [0.5, 1.5]}, "up to 1"),
    ],
)
def test_ranges_that_make_no_sense_are_refused(fields, words):
    with pytest.raises(ValidationError, match=words):
        TrainingFieldParams(**fields)
