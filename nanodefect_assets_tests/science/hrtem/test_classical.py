from dataclasses import replace

import numpy as np
import pytest

from nanodefect_assets.domain.patches import UNLABELLED, PatchSet, PatchSource
from nanodefect_assets.domain.refusal import Refusal
from nanodefect_assets.science.hrtem.classical import Search, judge_on_patches, search_of, tune_on_patches
from nanodefect_assets.science.hrtem.mix import mixed_subset, of_material
from nanodefect_assets.science.hrtem.params import SegmentationParams
from nanodefect_assets.science.synthetic.discs import disc_micrograph

OTSU = SegmentationParams(method="otsu_intensity", smoothing_px=0.0)
BLURS = Search(start=OTSU, choices={"smoothing_px": [0.0, 2.5]})


def discs(seed):
    rng = np.random.default_rng(seed)
    return disc_micrograph(diameters_nm=(4.0,), pixel_size_nm=0.1, noise_counts=120.0, rng=rng, shape=(96, 96))


@pytest.fixture(scope="module")
def patches():
    made = [discs(seed) for seed in range(4)]
    return PatchSet(
        images=np.stack([one.micrograph.counts for one in made]).astype(np.float32),
        classes=np.stack([one.labels > 0 for one in made]).astype(np.uint8),
        group=np.arange(4),
        micrograph_ids=tuple("abcd"),
        class_names=("support", "particle"),
        pixel_size_nm=np.array([0.1, 0.1, 0.1, np.nan]),
        sources=tuple(PatchSource(material=material, modality="hrstem") for material in ("Au", "Au", "Pd", "Au")),
    )


def test_a_method_is_tuned_on_patches_and_judged_as_networks_are(patches):
    best = tune_on_patches(patches, BLURS, max_patches=2, max_trials=0).best

    counts, n_refused = judge_on_patches(patches, best)

    assert best.smoothing_px == 2.5
    assert counts.mean_dice > 0.9 > judge_on_patches(patches, OTSU)[0].mean_dice
    assert counts.counts.sum() == patches.classes.size
    assert n_refused == 0


def test_what_is_not_labelled_changes_no_score(patches):
    classes = patches.classes.copy()
    classes[:, :, 48:] = UNLABELLED
    half = replace(patches, classes=classes)

    tuned = tune_on_patches(half, BLURS, max_patches=4, max_trials=0).scores
    counts, _ = judge_on_patches(half, SegmentationParams(method="otsu_intensity", smoothing_px=2.5))

    assert tuned["dice"][1] == pytest.approx(counts.mean_dice)
    assert counts.counts.sum() == classes.size / 2


def test_patches_that_a_method_refuses_have_nothing_found(patches):
    coarse = replace(patches, pixel_size_nm=np.full(4, 0.3))

    counts, n_refused = judge_on_patches(coarse, SegmentationParams(method="fourier"))

    assert n_refused == 4
    assert counts.pooled[:, 1].tolist() == [0, 0]


def test_ranges_go_on_from_the_best_of_the_grid(patches):
    search = replace(BLURS, choices={"smoothing_px": [0.5]}, ranges={"smoothing_px": (0.2, 6.0)})

    grid = tune_on_patches(patches, search, max_patches=2, max_trials=0)
    tuning = tune_on_patches(patches, search, max_patches=2, max_trials=8)

    assert tuning.scores["mean_dice"][0] == grid.scores["mean_dice"][0] < tuning.scores["mean_dice"].max()
    assert tuning.best.smoothing_px > 0.5


@pytest.mark.parametrize("method", ["otsu_intensity", "otsu_local_std", "fourier", "fourier_annulus"])
def test_every_method_has_something_to_tune_from_its_own_start(method):
    search = search_of(method, patch_px=256)

    assert search.start.method == method
    for name in search.names:
        assert name in type(search.start).model_fields
    for name, (low, high) in search.ranges.items():
        assert low <= getattr(search.start, name) <= high


def test_published_radii_go_with_the_edge_of_a_patch():
    assert search_of("fourier_annulus", patch_px=256).choices["annulus_inner_px"] == [12.5, 25.0]


def test_methods_part_two_classes_only(patches):
    three = replace(patches, class_names=("support", "alumina", "Pt"))

    with pytest.raises(Refusal, match="Pt"):
        judge_on_patches(three, OTSU)
    with pytest.raises(Refusal, match="labelled patches"):
        judge_on_patches(patches.subset([]), OTSU)


def test_patches_of_one_material_and_as_many_of_all(patches, rng):
    alone, mixed = of_material(patches, "Au"), mixed_subset(patches, 2, rng=rng)

    assert alone.micrograph_ids == ("a", "b", "d")
    assert len(mixed) == 2
    assert len(set(mixed.group.tolist())) == 2
    with pytest.raises(ValueError, match="between 1 and 4"):
        mixed_subset(patches, 5, rng=rng)


@pytest.mark.parametrize("n", [3, 6, 9])
def test_a_mixed_set_has_every_material_with_its_share(patches, rng, n):
    many = replace(
        patches,
        images=np.repeat(patches.images, 3, axis=0),
        classes=np.repeat(patches.classes, 3, axis=0),
        group=np.repeat(patches.group, 3),
        pixel_size_nm=np.repeat(patches.pixel_size_nm, 3),
        sources=tuple(PatchSource(material=material) for material in ("Au", "Au", "Pd", "Au")),
    )

    mixed = mixed_subset(many, n, rng=rng)

    n_pd = sum(many.sources[group].material == "Pd" for group in mixed.group)
    assert abs(n_pd - n / 4) <= 1
