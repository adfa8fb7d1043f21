import numpy as np
import pytest
from scipy import ndimage

from nanodefect_assets.domain.micrograph import LabelledMicrograph, Micrograph
from nanodefect_assets.domain.refusal import Refusal
from nanodefect_assets.science.imaging.params import InstanceParams
from nanodefect_assets.science.sem.crops import cut_crops, fill_crops, part_labels, whole_image_crop
from nanodefect_assets.science.sem.params import CropParams

PARAMS = CropParams(n_px=64, min_length_px=10)


def labelled(counts, labels, pixel_size_nm=None):
    micrograph = Micrograph(
        micrograph_id="b/end/a.tif", counts=counts.astype(np.float32), pixel_size_nm=pixel_size_nm, modality="sem"
    )
    return LabelledMicrograph(micrograph=micrograph, labels=labels.astype(np.int32))


def particle(turn_deg=0.0, mirror=False):
    """Return a long body with a bright corner on one side: its hand is seen. 1 counts outside."""
    image, mask = np.zeros((96, 96)), np.zeros((96, 96))
    mask[24:72, 38:58] = 1
    image[24:72, 38:58] = 50
    image[24:40, 50:58] = 100
    image[56:72, 38:46] = 100
    if mirror:
        image, mask = image[:, ::-1], mask[:, ::-1]
    turned, outline = (ndimage.rotate(part, turn_deg, reshape=False, order=1) for part in (image, mask))
    return labelled(np.where(outline > 0.5, turned, 1), outline > 0.5)


def alike(first, second):
    """Return the correlation of two crops, either end up."""
    return max(np.corrcoef(first.ravel(), view.ravel())[0, 1] for view in (second, second[::-1, ::-1]))


@pytest.mark.parametrize("turn_deg", [-70, -30, 20, 80, 160])
def test_however_a_particle_lies_its_crop_is_upright_and_keeps_its_hand(turn_deg):
    (upright,), (turned,), (mirrored,) = (
        cut_crops(seen, PARAMS) for seen in (particle(), particle(turn_deg), particle(turn_deg, mirror=True))
    )

    assert alike(upright.crop, turned.crop) > 0.93
    assert alike(upright.crop, mirrored.crop[:, ::-1]) > 0.93
    assert alike(upright.crop, mirrored.crop) < 0.85


def test_a_crop_is_zero_outside_and_255_at_its_brightest():
    (cut,) = cut_crops(particle(), PARAMS)

    assert cut.crop.max() == 255
    assert not cut.crop[:6].any()
    assert (cut.scale, cut.left_out, cut.length_px) == (1.0, None, 48)
    assert cut.centroid_px == pytest.approx((47.5, 47.5))
    assert np.count_nonzero(cut.crop) == pytest.approx(48 * 20, rel=0.02)


def test_sizes_are_kept_unless_filled_or_scaled_to_a_pixel_size():
    (kept,) = cut_crops(particle(), PARAMS)
    (filled,) = cut_crops(particle(), PARAMS.model_copy(update={"size": "filled"}))
    image = particle()
    calibrated = labelled(image.micrograph.counts, image.labels, pixel_size_nm=2.0)
    (scaled,) = cut_crops(calibrated, PARAMS.model_copy(update={"crop_pixel_size_nm": 4.0}))

    assert filled.scale == pytest.approx(0.94 * 64 / 48)
    assert scaled.scale == 0.5
    areas = [np.count_nonzero(cut.crop) for cut in (kept, filled, scaled)]
    assert areas[1] / areas[0] == pytest.approx(filled.scale**2, rel=0.06)
    assert areas[2] / areas[0] == pytest.approx(0.25, rel=0.1)


def test_an_uncalibrated_micrograph_cannot_be_scaled_to_a_pixel_size():
    with pytest.raises(Refusal, match="pixel_size_nm"):
        cut_crops(particle(), PARAMS.model_copy(update={"crop_pixel_size_nm": 4.0}))


def test_particles_at_an_edge_and_specks_are_named_and_left_out():
    labels = np.zeros((50, 60))
    labels[:20, 5:15] = 1
    labels[30:34, 30:34] = 2

    cuts = cut_crops(labelled(np.ones((50, 60)), labels), PARAMS)

    assert [(cut.number, cut.left_out, cut.crop) for cut in cuts] == [(1, "edge", None), (2, "small", None)]


def test_touching_particles_are_parted_and_named_after_their_label():
    rows, cols = np.indices((60, 120))
    discs = [(rows - 30) ** 2 + (cols - middle) ** 2 < 18**2 for middle in (40, 74)]
    labels = np.where(discs[0] | discs[1], 3, 0)
    labels[2:8, 2:8] = 1

    parted, names = part_labels(labels, InstanceParams(), pixel_size_nm=None)

    assert names == ["1", "3.1", "3.2"]
    assert {parted[30, 40], parted[30, 74]} == {2, 3}
    assert np.array_equal(parted > 0, labels > 0)


def test_a_ready_cut_image_is_taken_as_it_is_and_another_size_refused():
    counts = particle().micrograph.counts[16:80, 16:80] - 1
    ready = labelled(counts, counts > 0).micrograph

    assert np.corrcoef(whole_image_crop(ready, PARAMS).ravel(), counts.ravel())[0, 1] > 0.9999
    with pytest.raises(Refusal, match="128 x 128"):
        whole_image_crop(ready, CropParams())
    with pytest.raises(Refusal, match="particle"):
        whole_image_crop(labelled(np.zeros((64, 64)), np.zeros((64, 64))).micrograph, PARAMS)


def test_ready_cut_crops_of_any_size_are_filled_alike_and_keep_their_hand():
    small, large = np.zeros((2, 64, 64))
    small[20:40, 28:36], large[4:60, 16:40] = 1, 1
    small[20:24, 32:36], large[4:14, 28:40] = 3, 3

    filled = fill_crops(np.stack([small, large]))

    heights = [np.ptp(np.nonzero(crop)[0]) + 1 for crop in filled]
    assert heights == pytest.approx([0.94 * 64] * 2, abs=1.5)
    for crop in filled:
        rows, cols = np.nonzero(crop > 128)
        assert rows.mean() < 24
        assert cols.mean() > 34


@pytest.mark.parametrize("level", [0.0, -3.0])
def test_a_particle_of_which_nothing_is_seen_is_left_out_and_spoils_no_other(level):
    """A blank crop would be refused, and with it the model of the whole batch."""
    seen = particle()
    counts = np.where(seen.labels > 0, level, 1.0)

    (cut,) = cut_crops(labelled(counts, seen.labels), PARAMS)

    assert (cut.crop, cut.left_out) == (None, "blank")


def disc(labels, row, col, radius=12):
    rows, cols = np.indices(labels.shape)
    labels[(rows - row) ** 2 + (cols - col) ** 2 < radius**2] = 1


@pytest.mark.parametrize(("apart_px", "left_out"), [(0, None), (4, None), (22, "clump"), (23, "clump")])
def test_particles_that_lie_on_one_another_are_no_particle_of_a_hand(apart_px, left_out):
    """Two discs of 24 pixels as one label: nearly one, or a dumbbell."""
    labels = np.zeros((60, 90))
    disc(labels, 30, 30)
    disc(labels, 30, 30 + apart_px)

    (cut,) = cut_crops(labelled(np.where(labels, 50.0, 0), labels), PARAMS)
    (kept,) = cut_crops(labelled(np.where(labels, 50.0, 0), labels), PARAMS.model_copy(update={"min_solidity": 0}))

    assert cut.left_out == left_out
    assert kept.crop is not None


@pytest.mark.parametrize(("n_whole", "left_out"), [(1, "pile"), (2, None)])
def test_what_looks_whole_in_a_pile_is_a_piece(n_whole, left_out):
    """A crossed pair of bars of 7,600 pixels, and discs of 1,257: a seventh of the area, or a quarter."""
    labels = np.zeros((140, 240), dtype=int)
    labels[20:120, 60:100] = labels[50:90, 20:140] = 1
    for number in range(n_whole):
        here = np.zeros_like(labels)
        disc(here, 70, 170 + 45 * number, radius=20)
        labels[here > 0] = 2 + number
    seen = labelled(np.where(labels, 50.0, 0), labels)

    clump, *others = cut_crops(seen, PARAMS)
    _, *all_cut = cut_crops(seen, PARAMS.model_copy(update={"min_whole_share": 0}))

    assert (clump.left_out, {cut.left_out for cut in others}) == ("clump", {left_out})
    assert all(cut.crop is not None for cut in all_cut)


def test_real_particles_cut_by_hand_are_no_clumps(real_data):
    with np.load(real_data / "te_chirality" / "te_particles.npz") as crops:
        images = crops["images"]

    for image in images:
        (cut,) = cut_crops(labelled(np.pad(image, 1), np.pad(image, 1) > 0), CropParams())
        assert cut.left_out is None


def test_cutting_adds_nothing_that_tells_an_image_from_its_mirror(rng):
    """The crop of a mirrored micrograph is the mirrored crop, to the last of 255 grey levels."""
    seen = particle(turn_deg=20)
    counts = seen.micrograph.counts + rng.uniform(0, 5, seen.labels.shape)
    params = PARAMS.model_copy(update={"size": "filled"})

    (cut,) = cut_crops(labelled(counts, seen.labels), params)
    (of_mirror,) = cut_crops(labelled(counts[:, ::-1], seen.labels[:, ::-1]), params)

    difference = of_mirror.crop[:, ::-1].astype(int) - cut.crop.astype(int)
    assert np.count_nonzero(np.abs(difference) > 1) < 0.01 * np.count_nonzero(cut.crop)


@pytest.mark.parametrize("level", [0, 20])
def test_a_ready_cut_crop_is_zero_around_its_particle(real_data, level):
    with np.load(real_data / "te_chirality" / "te_particles.npz") as crops:
        images = crops["images"]

    for image in images:
        micrograph = labelled(np.maximum(image, level), np.zeros(image.shape)).micrograph
        if level:
            with pytest.raises(Refusal, match="zero around its particle"):
                whole_image_crop(micrograph, CropParams())
        else:
            assert whole_image_crop(micrograph, CropParams()).max() == 255
