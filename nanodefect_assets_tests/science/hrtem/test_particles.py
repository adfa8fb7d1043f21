import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from skimage.measure import perimeter_crofton, regionprops

from nanodefect_assets.domain.micrograph import LabelledMicrograph, Micrograph
from nanodefect_assets.domain.schemas import PARTICLES
from nanodefect_assets.science.hrtem.params import ParticleParams
from nanodefect_assets.science.hrtem.particles import inclusion_weights, measure_particles
from nanodefect_assets.science.synthetic.discs import disc_micrograph
from nanodefect_assets.science.synthetic.fields import particle_field
from nanodefect_assets.science.synthetic.params import ParticleFieldParams


def labelled(labels, *, pixel_size_nm=None, counts=None):
    labels = np.asarray(labels, dtype=np.int32)
    micrograph = Micrograph(
        micrograph_id="pd-1/t0028800/a.tif",
        counts=(np.ones(labels.shape) if counts is None else counts).astype(np.float32),
        pixel_size_nm=pixel_size_nm,
        modality="hrtem",
    )
    return LabelledMicrograph(micrograph=micrograph, labels=labels)


def measure(labels, **settings):
    return measure_particles(labelled(labels, **settings), ParticleParams())


def ellipse(major_px, minor_px, turn_deg, *, size=128):
    rows, cols = np.indices((size, size))
    x, y = cols - size / 2 - 0.3, size / 2 + 0.2 - rows
    turn = np.radians(turn_deg)
    along, across = x * np.cos(turn) + y * np.sin(turn), y * np.cos(turn) - x * np.sin(turn)
    return np.hypot(along / major_px, across / minor_px) <= 0.5


@pytest.fixture(scope="module")
def field():
    return particle_field(ParticleFieldParams(n_particles=25, min_axis_ratio=0.4), rng=np.random.default_rng(2))


def test_columns_are_those_of_the_schema():
    table = measure([[0, 0, 0], [0, 1, 0], [0, 0, 0]])

    assert tuple(table.columns) == PARTICLES.names
    assert table.loc[0, "particle_id"] == "pd-1/t0028800/a.tif#1"


def test_types_are_those_of_the_schema_with_and_without_particles():
    kinds = {"text": "OUT", "int": "i", "float": "f", "bool": "b"}
    for table in (measure(np.eye(4)), measure(np.zeros((4, 4)))):
        assert all(table[column.name].dtype.kind in kinds[column.type] for column in PARTICLES.columns)


@pytest.mark.parametrize("pixel_size_nm", [0.02, 0.05, 0.1])
def test_a_disc_is_recovered_at_any_pixel_size(pixel_size_nm):
    truth = disc_micrograph(diameters_nm=(5.0,), pixel_size_nm=pixel_size_nm, rng=np.random.default_rng(0))

    disc = measure_particles(truth, ParticleParams()).iloc[0]

    assert disc["area_nm2"] == pytest.approx(np.pi / 4 * 5.0**2, rel=0.02)
    assert disc["perimeter_nm"] == pytest.approx(np.pi * 5.0, rel=0.02)
    lengths = ["equivalent_diameter_nm", "major_axis_nm", "minor_axis_nm"]
    np.testing.assert_allclose(disc[lengths].astype(float), 5.0, rtol=0.02)
    np.testing.assert_allclose(disc[["feret_max_nm", "feret_min_nm"]].astype(float), 5.0, atol=pixel_size_nm)
    assert (disc["circularity"], disc["solidity"]) == pytest.approx((1, 1), abs=0.02)


@pytest.mark.parametrize("turn_deg", [-75.0, -30.0, 0.0, 20.0, 45.0, 80.0])
def test_an_ellipse_gives_its_axes_and_turns_counter_clockwise(turn_deg):
    particle = measure(ellipse(60, 30, turn_deg)).iloc[0]

    assert particle["orientation_deg"] == pytest.approx(turn_deg, abs=1)
    assert (particle["major_axis_px"], particle["minor_axis_px"]) == pytest.approx((60, 30), rel=0.01)
    assert (particle["feret_max_px"], particle["feret_min_px"]) == pytest.approx((60, 30), abs=1)
    assert particle["aspect_ratio"] == pytest.approx(2, rel=0.01)


@pytest.mark.parametrize(("n_rows", "n_cols"), [(1, 1), (1, 7), (7, 1), (5, 12), (30, 10)])
def test_a_rectangle_has_the_closed_forms(n_rows, n_cols):
    labels = np.zeros((40, 40))
    labels[3 : 3 + n_rows, 5 : 5 + n_cols] = 1

    box = measure(labels).iloc[0]

    long, short = max(n_rows, n_cols), min(n_rows, n_cols)
    assert box["area_px"] == n_rows * n_cols
    assert box["feret_min_px"] == pytest.approx(short if short > 1 else 1 / (np.sqrt(2) if long == 1 else 1))
    assert box["feret_max_px"] == pytest.approx(np.hypot(long, short - 1))
    assert box["major_axis_px"] == pytest.approx(4 * np.sqrt((long**2 - 1) / 12))
    assert box["minor_axis_px"] == pytest.approx(4 * np.sqrt((short**2 - 1) / 12))
    assert (box["centroid_row_px"], box["centroid_col_px"]) == (3 + (n_rows - 1) / 2, 5 + (n_cols - 1) / 2)
    assert box["solidity"] == 1
    assert np.isnan(box["aspect_ratio"]) == (short == 1)


def test_scikit_image_agrees(field):
    ours = measure_particles(field, ParticleParams()).set_index("label")

    for region in regionprops(field.labels, intensity_image=field.micrograph.counts):
        row = ours.loc[region.label]
        assert row["area_px"] == region.area
        assert row["perimeter_px"] == pytest.approx(perimeter_crofton(np.pad(region.image, 1), directions=4))
        assert row["feret_max_px"] == pytest.approx(region.feret_diameter_max, abs=0.7)
        assert row["major_axis_px"] == pytest.approx(region.axis_major_length)
        assert row["minor_axis_px"] == pytest.approx(region.axis_minor_length)
        turn_deg = (np.degrees(region.orientation) - 90 - row["orientation_deg"]) % 180
        assert min(turn_deg, 180 - turn_deg) == pytest.approx(0, abs=1e-6)
        box = ["bbox_row_min_px", "bbox_col_min_px", "bbox_row_max_px", "bbox_col_max_px"]
        assert tuple(row[box]) == region.bbox
        assert row["mean_counts"] == pytest.approx(region.intensity_mean, rel=1e-5)
        assert row["sd_counts"] == pytest.approx(region.image_intensity[region.image].std(dtype=float), rel=1e-5)


@settings(max_examples=40, deadline=None)
@given(mask=arrays(bool, st.tuples(st.integers(1, 9), st.integers(1, 9))))
def test_calipers_and_hull_agree_with_trying_all_pixels(mask):
    mask[0, 0] = True
    particle = measure(mask).iloc[0]
    rows, cols = np.nonzero(mask)

    angles = np.radians(np.arange(0, 180, 0.25))
    extents = np.ptp(np.outer(np.cos(angles), cols) + np.outer(np.sin(angles), rows), axis=1)
    widths = extents + np.maximum(np.abs(np.cos(angles)), np.abs(np.sin(angles)))

    assert particle["feret_max_px"] == pytest.approx(widths.max(), abs=1e-3)
    assert widths.min() - 0.1 < particle["feret_min_px"] <= widths.min() + 1e-9
    assert particle["solidity"] == pytest.approx(rows.size / n_pixels_by_half_planes(rows, cols, mask.shape))


def n_pixels_by_half_planes(rows, cols, shape):
    """Pixels that no straight line parts from all given ones; the lines are those through two pixels of the frame."""
    steps = range(-max(shape), max(shape) + 1)
    normals = np.array([(a, b) for a in steps for b in steps])
    all_rows, all_cols = (index.ravel() for index in np.indices(shape))
    farthest = (normals @ np.stack((rows, cols))).max(axis=1)
    return int(np.all(normals @ np.stack((all_rows, all_cols)) <= farthest[:, None], axis=0).sum())


@settings(max_examples=40, deadline=None)
@given(labels=arrays(np.int32, (6, 7), elements=st.integers(0, 3)), order=st.permutations([1, 2, 3]))
def test_numbering_does_not_matter(labels, order):
    renumbered = np.array([0, *order])[labels]

    before, after = measure(labels).set_index("label"), measure(renumbered).set_index("label")

    numeric = [column.name for column in PARTICLES.columns if column.type == "float"]
    expected = after.loc[[order[label - 1] for label in before.index], numeric]
    np.testing.assert_array_equal(before[numeric], expected)


def test_lengths_scale_with_the_pixel_and_are_missing_without_one(field):
    in_px, in_nm = (measure(field.labels, pixel_size_nm=size) for size in (None, 0.25))
    names = [name.removesuffix("_nm") for name in PARTICLES.names if name.endswith("_nm")]

    assert in_px[[f"{name}_nm" for name in names]].isna().all(axis=None)
    np.testing.assert_allclose(in_nm[[f"{name}_nm" for name in names]], 0.25 * in_px[[f"{name}_px" for name in names]])
    np.testing.assert_allclose(in_nm["area_nm2"], 0.0625 * in_px["area_px"])


@pytest.mark.parametrize(
    ("box", "touches"),
    [
        (np.s_[0:3, 2:4], True),
        (np.s_[2:4, 0:3], True),
        (np.s_[7:10, 2:4], True),
        (np.s_[2:4, 7:10], True),
        (np.s_[1:9, 1:9], False),
    ],
)
def test_touching_the_edge(box, touches):
    labels = np.zeros((10, 10))
    labels[box] = 1

    particle = measure(labels).iloc[0]

    assert particle["touches_edge"] == touches
    assert (particle["inclusion_weight"] == 0) == touches


@pytest.mark.parametrize("height_px", [1, 3, 8])
def test_inclusion_weight_counts_the_places_that_a_box_has(height_px):
    n_rows, n_cols, width_px = 10, 12, 4
    n_free = sum(
        row > 0 and row + height_px < n_rows and col > 0 and col + width_px < n_cols
        for row in range(n_rows)
        for col in range(n_cols)
    )

    weight = inclusion_weights(np.array([height_px]), np.array([width_px]), (n_rows, n_cols))

    assert weight == pytest.approx([n_rows * n_cols / n_free])


def test_weights_undo_the_bias_against_large_particles():
    rng = np.random.default_rng(4)
    diameters, weights = [], []
    for _ in range(900):
        labels = np.zeros((48, 48))
        diameter_px = float(rng.choice((8.0, 24.0)))
        row, col = rng.uniform(-24, 72, 2)
        rows, cols = np.ogrid[:48, :48]
        labels[np.hypot(rows - row, cols - col) <= diameter_px / 2] = 1
        table = measure(labels)
        diameters += table["equivalent_diameter_px"].to_list()
        weights += table["inclusion_weight"].to_list()
    inner = np.array(weights) > 0
    diameters, weights = np.array(diameters)[inner], np.array(weights)[inner]

    weighted_mean = np.sum(weights * diameters) / np.sum(weights)
    standard_error = np.sqrt(np.sum((weights * (diameters - weighted_mean)) ** 2)) / np.sum(weights)

    assert abs(weighted_mean - 16) < 3 * standard_error
    assert standard_error < 1.2
    assert diameters.mean() < 16 - 3 * standard_error


def test_small_labels_are_left_out_on_demand(field):
    table = measure_particles(field, ParticleParams(min_area_px=2000))

    assert 0 < len(table) < field.labels.max()
    assert table["area_px"].min() >= 2000


@pytest.mark.parametrize("number", [-1, 500])
def test_labels_that_are_no_particle_numbers_are_refused(number):
    with pytest.raises(ValueError, match="numbered from 1"):
        measure([[0, number], [0, 0]])
