import numpy as np
import pytest

from nanodefect_assets.domain.randomness import generator_for
from nanodefect_assets.science.hrtem.fault_features import features_of
from nanodefect_assets.science.hrtem.fault_forest import (
    FAULT_CLASSES,
    out_of_fold_probabilities,
    score_probabilities,
)
from nanodefect_assets.science.hrtem.fault_params import FeatureParams, ForestParams, RegionParams
from nanodefect_assets.science.hrtem.label_audit import doubt_labels, plant_label_errors, recall_among_first
from nanodefect_assets.science.imaging.masks import label_mask
from nanodefect_assets.science.synthetic.training_fields import simulate_field
from nanodefect_assets.science.workflows.region_params import RegionFieldParams
from nanodefect_assets.science.workflows.training_regions import draw_region_field, label_regions

ONE_SETTING, FOREST = RegionFieldParams.one_setting(), ForestParams(n_trees=100)
N_FIELDS = 40


def regions_of(number, params=ONE_SETTING):
    field = draw_region_field(params, number)
    made = simulate_field(field, seed=params.field_seed, number=number, micrograph_id=f"_/_/{number}")
    return list(label_regions(made, field, params, RegionParams())), made


def test_labels_say_what_geometry_lets_show():
    found, made = regions_of(3)
    crystals = {f"#{particle.label}": particle.crystal for particle in made.particles}

    assert len(found) >= 3
    for one in found:
        assert not one.region.touches_edge
        if one.misorientation_deg is not None:
            shows_columns = one.misorientation_deg <= 3.0
            assert (one.class_name == "misoriented") == (not shows_columns)
            is_fault = shows_columns and one.fault_tilt_deg <= 3.0
            assert (one.class_name == "stacking fault visible") == is_fault
    assert crystals


def test_regions_of_two_particles_are_agglomerates_and_samples_of_support_are_background():
    crowded = RegionFieldParams(materials=["Au"], field_px=256, diameter_nm=[1.8, 2.2], overlap_fraction=0.6)
    n_of_class = dict.fromkeys(FAULT_CLASSES, 0)
    for number in range(6):
        found, made = regions_of(number, crowded)
        joined = label_mask(made.labels > 0)
        for one in found:
            n_of_class[one.class_name] += 1
            assert (one.class_name == "background") == (one.region.kind == "background")
            if one.region.kind != "background":
                inside = made.labels[joined == int(one.region.region_id.rpartition("#")[2])]
                n_inside = (np.bincount(inside) >= crowded.min_share * inside.size).sum()
                assert (one.class_name == "agglomeration") == (n_inside > 1)
    assert n_of_class["agglomeration"] > 1
    assert n_of_class["background"] > 1


def test_outlines_are_off_by_as_much_as_is_asked_for_and_classes_stay():
    def found(error_nm):
        params = ONE_SETTING.model_copy(update={"outline_error_nm": [error_nm, error_nm]})
        kept = [one for one in regions_of(3, params)[0] if one.region.kind == "particle"]
        return {one.region.region_id: (one.class_name, np.sqrt(one.region.area_px / np.pi) * 0.045) for one in kept}

    right, narrow, wide = found(0.0), found(-0.2), found(0.4)

    shared = right.keys() & narrow.keys() & wide.keys()
    assert len(shared) >= 2
    for name in shared:
        assert narrow[name][0] == right[name][0] == wide[name][0]
        assert narrow[name][1] - right[name][1] == pytest.approx(-0.2, abs=0.06)
        assert wide[name][1] - right[name][1] == pytest.approx(0.4, abs=0.06)


def test_the_same_number_makes_the_same_regions():
    small = ONE_SETTING.model_copy(update={"field_px": 200})
    first, second = (regions_of(5, small)[0] for _ in range(2))

    assert [one.class_name for one in first] == [one.class_name for one in second]
    assert all((a.region.counts == b.region.counts).all() for a, b in zip(first, second, strict=True))


def test_regions_that_experts_would_pass_over_are_left_out():
    every, made = regions_of(7)
    field = draw_region_field(ONE_SETTING, 7)

    def kept(unsure_tilt_deg):
        unsure = ONE_SETTING.model_copy(update={"unsure_tilt_deg": unsure_tilt_deg})
        return [one.misorientation_deg for one in label_regions(made, field, unsure, RegionParams())]

    tilts_deg = sorted(one.misorientation_deg for one in every)
    assert tilts_deg == pytest.approx([1.23, 11.68], abs=0.01)
    assert kept(8.6) == [one.misorientation_deg for one in every]
    assert kept(8.7) == tilts_deg[:1]


def test_fields_are_drawn_from_the_whole_of_their_spans_and_one_setting_never_varies():
    wide = RegionFieldParams()
    fields = [draw_region_field(wide, number) for number in range(200)]

    for name, span in (
        ("thermal_rms_angstrom", wide.thermal_rms_angstrom),
        ("carbon_thickness_nm", wide.carbon_thickness_nm),
        ("mtf_at_nyquist", wide.mtf_at_nyquist),
        ("dose_e_per_nm2", wide.dose_e_per_nm2),
    ):
        drawn = [getattr(field, name) for field in fields]
        assert span[0] <= min(drawn) < span[0] + 0.1 * np.ptp(span)
        assert span[1] - 0.1 * np.ptp(span) < max(drawn) <= span[1]
    assert {field.zincblende_fraction for field in fields if field.material != "CdSe"} == {0.0}
    assert {draw_region_field(ONE_SETTING, number).thermal_rms_angstrom for number in range(5)} == {0.08}


@pytest.fixture(scope="module")
def simulated():
    """Features, classes and field of about 150 regions, all seen at one setting."""
    found = [(number, one) for number in range(N_FIELDS) for one in regions_of(number)[0]]
    features = {
        name: np.array([features_of(one.region, name, FeatureParams()) for _, one in found])
        for name in ("five", "local")
    }
    classes = np.array([FAULT_CLASSES.index(one.class_name) for _, one in found])
    return features, classes, np.array([number for number, _ in found])


@pytest.mark.slow
def test_at_one_setting_few_features_tell_most_and_richer_ones_more(simulated):
    features, classes, fields = simulated

    five, rich = (
        score_probabilities(
            out_of_fold_probabilities(features[name], classes, fields, FOREST, rng=generator_for(1, name)), classes
        ).balanced_accuracy
        for name in ("five", "local")
    )

    assert five > 0.72  # 0.86 from 140 fields: see the benchmark
    assert rich > 0.85 > 0.8 > 1 / len(FAULT_CLASSES)
    assert rich > five


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["dropped", "merged", "wrong class"])
@pytest.mark.parametrize("share", [0.05, 0.2])
def test_wrong_labels_of_simulated_regions_are_among_the_first_reviewed(kind, share, simulated):
    features, classes, fields = simulated
    rng = generator_for(2, kind, str(share))
    labels, is_wrong = plant_label_errors(classes, kind, share, rng=rng)

    doubts = doubt_labels(out_of_fold_probabilities(features["local"], labels, fields, FOREST, rng=rng), labels)

    n_wrong = int(is_wrong.sum())
    assert recall_among_first(doubts.rank, is_wrong, n_wrong) > max(0.5, 2 * share)
    assert recall_among_first(doubts.rank, is_wrong, 2 * n_wrong) > 0.75
