import numpy as np
import pytest
from hypothesis import given
from hypothesis.extra.numpy import arrays
from skimage.morphology import convex_hull_image

from nanodefect_assets.domain.micrograph import LabelledMicrograph, Micrograph
from nanodefect_assets.science.hrtem.fault_params import RegionParams
from nanodefect_assets.science.hrtem.regions import fill_hull, find_regions, sample_background

PLAIN = RegionParams(
    opening_radius_px=1, opening_radius_nm=None, closing_radius_px=0, closing_radius_nm=None, min_diameter_px=4
)


DISC = np.hypot(*np.ogrid[-10:11, -10:11]) <= 10
BAR = np.ones((6, 24), dtype=bool)


def labelled_of(labels, pixel_size_nm=0.1):
    labels = np.asarray(labels, dtype=np.int32)
    counts = np.where(labels > 0, 60.0, 100.0).astype(np.float32)
    micrograph = Micrograph(micrograph_id="b/end/x.tif", counts=counts, pixel_size_nm=pixel_size_nm, modality="hrtem")
    return LabelledMicrograph(micrograph=micrograph, labels=labels)


def discs(shape, *places):
    rows, cols = np.indices(shape)
    labels = np.zeros(shape, dtype=np.int32)
    for label, row, col, radius in places:
        labels[(rows - row) ** 2 + (cols - col) ** 2 <= radius**2] = label
    return labels


def test_a_particle_keeps_its_identifier_and_its_pixels():
    labels = discs((80, 80), (7, 40, 30, 12))

    (region,) = find_regions(labelled_of(labels), PLAIN)

    assert (region.region_id, region.particle_id, region.kind) == ("b/end/x.tif#7", "b/end/x.tif#7", "particle")
    assert (region.top, region.left, region.mask.shape) == (28, 18, (25, 25))
    assert region.area_px == pytest.approx(np.pi * 12**2, rel=0.03)
    assert (region.counts[region.mask] == 60).all()
    assert region.support.median == 100
    assert (region.touches_edge, region.agglomerate_id) == (False, None)


def test_two_discs_tied_by_a_neck_are_a_particle_and_a_part_with_a_link():
    labels = discs((60, 120), (1, 30, 30, 15), (1, 30, 80, 12))
    labels[30, 40:75] = 1

    particle, part = find_regions(labelled_of(labels), PLAIN)

    assert (particle.region_id, particle.kind) == ("b/end/x.tif#1", "particle")
    assert (part.region_id, part.kind, part.particle_id) == ("b/end/x.tif#1/1", "part", "b/end/x.tif#1")
    assert particle.area_px > part.area_px > 400


def test_labels_that_touch_share_a_link_through_a_chain():
    labels = np.zeros((30, 90), dtype=np.int32)
    labels[5:25, 5:25], labels[5:25, 25:45], labels[5:25, 45:65], labels[5:25, 70:88] = 4, 2, 3, 1

    found = {region.region_id[-2:]: region for region in find_regions(labelled_of(labels), PLAIN)}

    assert {found[name].agglomerate_id for name in ("#2", "#3", "#4")} == {"b/end/x.tif#2"}
    assert found["#1"].agglomerate_id is None
    assert found["#2"].contact_fraction == pytest.approx(2 * 20 / 80)
    assert found["#4"].contact_fraction == pytest.approx(20 / 80)


def test_a_region_that_the_frame_cuts_says_so():
    labels = discs((60, 60), (1, 0, 30, 14))

    (region,) = find_regions(labelled_of(labels), RegionParams(min_diameter_px=4))

    assert (region.touches_edge, region.top) == (True, 0)


def test_limits_in_nm_leave_out_what_is_too_small_or_too_large():
    labels = discs((200, 200), (1, 20, 20, 6), (2, 60, 60, 15), (3, 140, 140, 45))
    limits = PLAIN.model_copy(update={"min_diameter_nm": 2.0, "max_diameter_nm": 5.0})

    assert [region.region_id[-2:] for region in find_regions(labelled_of(labels), limits)] == ["#2"]


def test_thesis_limits_are_in_pixels_and_need_no_scale():
    labels = discs((400, 400), (1, 60, 60, 30), (2, 250, 250, 60))

    found = list(find_regions(labelled_of(labels, pixel_size_nm=None), RegionParams.thesis()))

    assert [region.region_id[-2:] for region in found] == ["#2"]  # boxes of 61 and 121 pixels


def test_no_particle_no_region():
    assert list(find_regions(labelled_of(np.zeros((20, 20))), PLAIN)) == []


def test_a_label_thinner_than_the_opening_is_no_region():
    labels = np.zeros((40, 40), dtype=np.int32)
    labels[20, 2:38] = 1

    assert list(find_regions(labelled_of(labels), PLAIN)) == []


@given(mask=arrays(bool, (7, 9)))
def test_hull_is_that_of_scikit_image(mask):
    filled = fill_hull(mask)

    assert (filled | ~mask).all()
    assert (fill_hull(filled) == filled).all()
    points = np.argwhere(mask)
    if len(points) > 2 and np.linalg.matrix_rank(points - points[0]) == 2:
        assert (filled == convex_hull_image(mask, offset_coordinates=False)).all()


def test_background_lies_off_the_particles_and_apart(rng):
    labels = discs((160, 160), (1, 50, 50, 30))

    found = sample_background(labelled_of(labels), 4, [DISC, BAR], rng=rng)

    taken = labels > 0
    for region in found:
        window = np.s_[region.top : region.top + region.mask.shape[0], region.left : region.left + region.mask.shape[1]]
        assert not taken[window][region.mask].any()
        taken[window] |= region.mask
        assert (region.kind, region.particle_id) == ("background", None)
    assert len({region.region_id for region in found}) == len(found) == 4
    assert {region.mask.sum() for region in found} <= {DISC.sum(), BAR.sum()}


def test_background_has_the_forms_of_particles_any_way_round(rng):
    form = np.ones((6, 24), dtype=bool)
    form[0, :12] = False

    found = [sample_background(labelled_of(np.zeros((80, 80))), 1, [form], rng=rng)[0].mask for _ in range(30)]

    assert {mask.shape for mask in found} == {(6, 24), (24, 6)}
    assert {mask.sum() for mask in found} == {form.sum()}
    assert len({mask.tobytes() for mask in found}) == 8


def test_no_room_no_background(rng):
    assert sample_background(labelled_of(np.ones((40, 40))), 3, [DISC], rng=rng) == []
    assert sample_background(labelled_of(np.zeros((40, 40))), 3, [], rng=rng) == []


def notched(notch_px):
    """Return a square with a slit of some pixels from one side to its middle."""
    labels = np.zeros((100, 100), dtype=np.int32)
    labels[20:80, 20:80] = 1
    labels[50 - notch_px // 2 : 50 - notch_px // 2 + notch_px, 20:50] = 0
    return labels


@pytest.mark.parametrize(("pixel_size_nm", "is_filled"), [(0.05, True), (0.2, False)])
def test_closing_fills_slits_up_to_a_width_in_nm(pixel_size_nm, is_filled):
    closing = PLAIN.model_copy(update={"closing_radius_nm": 0.3, "fill_hull": False})

    (region,) = find_regions(labelled_of(notched(6), pixel_size_nm), closing)

    assert region.mask[30, 5:25].all() == is_filled


def test_opening_cuts_necks_up_to_a_width_in_nm():
    labels = discs((60, 120), (1, 30, 30, 15), (1, 30, 80, 12))
    labels[28:33, 40:75] = 1  # 5 pixels wide
    opening = PLAIN.model_copy(update={"opening_radius_nm": 0.3, "fill_hull": False})

    n_pieces = [len(list(find_regions(labelled_of(labels, size_nm), opening))) for size_nm in (0.1, 0.3)]

    assert n_pieces == [2, 1]


def test_a_region_is_the_hull_of_its_label_unless_asked_otherwise():
    hull, bare = (
        list(find_regions(labelled_of(notched(10)), PLAIN.model_copy(update={"fill_hull": fill})))
        for fill in (True, False)
    )

    assert hull[0].area_px == pytest.approx(3600, abs=4)  # an opening by a cross takes the corners
    assert bare[0].area_px == pytest.approx(3600 - 300, abs=8)


def test_small_crumbs_of_a_label_are_no_regions():
    labels = discs((60, 120), (1, 30, 30, 15), (1, 30, 80, 5))

    assert [region.kind for region in find_regions(labelled_of(labels), PLAIN)] == ["particle"]


def test_the_support_is_the_median_beside_the_particles():
    labels = discs((60, 60), (1, 30, 30, 29))

    assert next(find_regions(labelled_of(labels), PLAIN)).support.median == 100


@pytest.mark.parametrize(("row", "col"), [(0, 30), (59, 30), (30, 0), (30, 59)])
def test_a_region_that_any_side_of_the_frame_cuts_says_so(row, col):
    (region,) = find_regions(labelled_of(discs((60, 60), (1, row, col, 14))), RegionParams(min_diameter_px=4))

    assert region.touches_edge


def test_limits_in_pixels_hold_beside_those_in_nm():
    labels = discs((200, 200), (1, 20, 20, 6), (2, 60, 60, 15), (3, 140, 140, 45))
    limits = PLAIN.model_copy(update={"min_diameter_px": 20, "max_box_px": 60})

    assert [region.region_id[-2:] for region in find_regions(labelled_of(labels), limits)] == ["#2"]


def test_background_keeps_off_a_particle_by_its_own_radius(rng):
    """Every disc lies whole on the support, also where there is little of it."""
    labels = np.ones((60, 60), dtype=np.int32)
    labels[15:45, 15:45] = 0

    (region,) = sample_background(labelled_of(labels), 1, [DISC], rng=rng)

    window = np.s_[region.top : region.top + region.mask.shape[0], region.left : region.left + region.mask.shape[1]]
    assert not labels[window][region.mask].any()
