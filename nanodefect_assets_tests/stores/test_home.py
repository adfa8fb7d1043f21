import pytest

from nanodefect_assets.domain.generation import AssetName
from nanodefect_assets.domain.keys import Place
from nanodefect_assets.stores.home import POINTER, Home, follow_pointer

ASSET = AssetName(group="hrtem", noun="particles")


def point(home, place, name="20210301T000000-00000001"):
    base = home.folder_of(ASSET, place)
    base.mkdir(parents=True, exist_ok=True)
    (base / POINTER).write_text(f"{name}\n")
    return base / name


def test_the_environment_names_the_home(monkeypatch, tmp_path):
    monkeypatch.setenv("NANODEFECT_HOME", str(tmp_path))
    assert Home.of_environment().root == tmp_path
    monkeypatch.delenv("NANODEFECT_HOME")
    monkeypatch.chdir(tmp_path)
    assert Home.of_environment().root == tmp_path / "data"


def test_preparing_twice_changes_nothing(tmp_path):
    home = Home(tmp_path / "new").prepare()
    (home.landing / "a").touch()
    assert (home.prepare().landing / "a").exists()
    assert home.warehouse.parent.is_dir()
    assert not home.warehouse.exists()


@pytest.mark.parametrize(
    ("place", "parts"),
    [
        (Place(batch="pd-1", aliquot="end"), "pd-1/end"),
        (Place(batch="pd-1"), "pd-1/_"),
        (Place(aliquot="t0000060"), "_/t0000060"),
        (Place(), "_/_"),
    ],
)
def test_a_place_has_a_folder_and_the_folder_names_the_place(home, place, parts):
    folder = point(home, place)

    assert folder.parent == home.artifacts / "hrtem" / "particles" / parts
    assert list(home.pointers()) == [(ASSET, place, folder)]
    assert home.places_of(ASSET) == [place]
    assert home.current_folder(ASSET, place) == folder


def test_pointers_come_in_order(home):
    places = [Place(batch=batch, aliquot="end") for batch in ("c", "a", "b")]
    for place in places:
        point(home, place)

    assert [place.batch for _, place, _ in home.pointers()] == ["a", "b", "c"]
    assert [place.batch for place in home.places_of(ASSET)] == ["a", "b", "c"]


def test_nothing_made_is_no_error(home):
    assert home.current_folder(ASSET, Place()) is None
    assert home.places_of(ASSET) == list(home.pointers()) == []
    assert follow_pointer(home.root / "nowhere") is None


@pytest.mark.parametrize("name", ["Kopie von pd-1", ".cache", "PD-1"])
def test_folders_that_are_not_ours_are_passed_over(home, name):
    stray = home.artifacts / "hrtem" / "particles" / name / "end"
    stray.mkdir(parents=True)
    (stray / POINTER).write_text("anything\n")
    point(home, Place(batch="pd-1", aliquot="end"))

    assert [place.batch for _, place, _ in home.pointers()] == ["pd-1"]
    assert [place.batch for place in home.places_of(ASSET)] == ["pd-1"]


def test_mlflow_lies_in_the_home_unless_told_otherwise(home, monkeypatch):
    assert home.mlflow_uri.startswith(f"sqlite:///{home.mlflow}/")
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "http://tracking")
    assert home.mlflow_uri == "http://tracking"
