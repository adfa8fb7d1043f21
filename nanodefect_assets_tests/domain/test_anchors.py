import pytest

from nanodefect_assets.domain.anchors import Anchor, check_anchor


@pytest.mark.parametrize(
    ("text", "anchor"),
    [
        ("8h/a.tif#3 right", Anchor(path="8h/a.tif", label="3", position_px=None, hand="right")),
        ("a.tif#7.2 left", Anchor(path="a.tif", label="7.2", position_px=None, hand="left")),
        ("my map/a b.tif 120,340 left", Anchor(path="my map/a b.tif", label=None, position_px=(120, 340), hand="left")),
        ("a b.tif 120, 340 left", Anchor(path="a b.tif", label=None, position_px=(120, 340), hand="left")),
        ("crops.tif@0003 right", Anchor(path="crops.tif@0003", label=None, position_px=None, hand="right")),
    ],
)
def test_an_anchor_names_a_particle_and_its_hand(text, anchor):
    assert Anchor.of_text(text) == anchor
    assert check_anchor(text) == text


@pytest.mark.parametrize("text", ["", "a.tif#3", "right", "a.tif 3,4 up", "a.tif#3 Right"])
def test_a_particle_without_a_hand_is_no_anchor(text):
    with pytest.raises(ValueError, match="Expected an anchor"):
        Anchor.of_text(text)
