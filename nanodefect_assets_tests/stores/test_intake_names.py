import pytest

from nanodefect_assets.domain.batch_spec import BatchSpec
from nanodefect_assets.stores.intake_names import sort_names
from nanodefect_assets.stores.landing import LandedFile


def landed(*paths):
    return [LandedFile(path=path, size_bytes=1, mtime_ns=0, is_regular=True) for path in paths]


def spec(*entries):
    files = [{"modality": "hrtem", **(entry if isinstance(entry, dict) else {"path": entry})} for entry in entries]
    return BatchSpec.model_validate({"batch": "pd", "files": files})


def reasons(names):
    return {path: refusal.reason for path, refusal in names.refusals.items()}


@pytest.mark.parametrize(
    ("sidecar", "owner"),
    [
        ("x.rawtlt", "x.mrc"),
        ("x.tlt", "x.mrc"),
        ("x.mrc.mdoc", "x.mrc"),
        ("x.mdoc", "x.mrc"),
        ("8h/y.emi", "8h/y_1.ser"),
        ("8h/X.RAWTLT", None),
        ("y.rawtlt", None),
        ("other.mdoc", None),
    ],
)
def test_sidecars_belong_to_the_file_of_their_name(sidecar, owner):
    names = sort_names(landed("x.mrc", "8h/y_1.ser", sidecar), spec("*.mrc", "8h/*.ser"))

    assert names.owner_of == ({} if owner is None else {sidecar: owner})
    assert reasons(names) == ({} if owner else {sidecar: "not_declared"})
    assert set(names.declared) == {"x.mrc", "8h/y_1.ser"}


def test_a_sidecar_that_a_pattern_catches_stays_a_sidecar():
    names = sort_names(landed("x.mrc", "x.mrc.mdoc", "x.rawtlt"), spec("*"))

    assert set(names.declared) == {"x.mrc"}
    assert set(names.owner_of) == {"x.mrc.mdoc", "x.rawtlt"}


def test_the_images_of_a_declared_emi_come_with_it():
    names = sort_names(landed("x.emi", "x_1.ser", "x_2.ser", "y_1.ser"), spec("x.emi"))

    assert set(names.declared) == {"x.emi"}
    assert names.owner_of == {"x_1.ser": "x.emi", "x_2.ser": "x.emi"}
    assert reasons(names) == {"y_1.ser": "not_declared"}


def test_a_named_file_of_angles_belongs_to_its_series():
    entry = {"path": "x.mrc", "modality": "tilt_series", "tilt_angles_file": "angles.txt"}

    assert sort_names(landed("x.mrc", "angles.txt"), spec(entry)).owner_of == {"angles.txt": "x.mrc"}
    assert reasons(sort_names(landed("x.mrc"), spec(entry))) == {"angles.txt": "no_such_file"}


def test_entries_that_no_file_fits_are_refused():
    names = sort_names(landed("a.tif", "b.tif"), spec("a.tif", "*.tif", "c.tif", "8h/**"))

    assert reasons(names) == {"c.tif": "no_such_file", "8h/**": "no_such_file"}
    assert "'c.tif'" in names.refusals["c.tif"].expected


def test_a_pattern_whose_files_are_all_named_exactly_is_no_mistake():
    assert reasons(sort_names(landed("a.tif"), spec("a.tif", "*.tif"))) == {}


def test_hidden_files_and_batch_yaml_do_not_count():
    names = sort_names(landed("a.tif", "batch.yaml", ".x.tif", ".git/a.tif", "8h/.b/a.tif"), spec("**"))

    assert set(names.declared) == {"a.tif"}
    assert reasons(names) == {}


def test_a_file_that_two_patterns_fit_is_refused_alone():
    names = sort_names(landed("a.tif", "b.mrc"), spec("a*", "*.tif", "*.mrc"))

    assert reasons(names) == {"a.tif": "declared_twice"}
    assert set(names.declared) == {"b.mrc"}


def test_names_that_are_one_on_other_computers_are_refused():
    names = sort_names(landed("a.tif", "A.tif", "8h/a.tif", "gro\u0308sse.tif", "gr\u00f6sse.tif"), spec("**"))

    assert reasons(names) == dict.fromkeys(["a.tif", "A.tif", "gro\u0308sse.tif", "gr\u00f6sse.tif"], "name_clash")


def test_a_file_goes_with_a_sidecar_that_is_a_link():
    linked = LandedFile(path="x.rawtlt", size_bytes=1, mtime_ns=0, is_regular=False)
    names = sort_names([*landed("x.mrc", "x.mdoc", "y.mrc"), linked], spec("*.mrc"))

    assert reasons(names) == {"x.rawtlt": "not_a_file", "x.mrc": "sidecar_refused", "x.mdoc": "not_declared"}
    assert set(names.declared) == {"y.mrc"}
