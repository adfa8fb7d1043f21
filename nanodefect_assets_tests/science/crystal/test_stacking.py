import pytest
from hypothesis import given
from hypothesis import strategies as st

from nanodefect_assets.science.crystal.layered import sequence_of
from nanodefect_assets.science.crystal.stacking import label_layers, layer_letters, name_defects, stacking_steps


@pytest.mark.parametrize(
    ("sequence", "letters"),
    [
        ("ABCABC", "ffffff"),
        ("ABCACBA", "fffhfff"),
        ("ABCABCBCABC", "fffffhhffff"),
        ("ABCACBCABC", "fffhfhffff"),
        ("ABABAB", "hhhhhh"),
        ("ABCABABC", "ffffhhff"),
    ],
)
def test_layers_by_hand(sequence, letters):
    assert layer_letters(sequence) == letters


@pytest.mark.parametrize(
    ("letters", "names"),
    [
        ("fffff", []),
        ("ffhff", ["twin"]),
        ("ffhhff", ["intrinsic"]),
        ("ffhfhff", ["extrinsic"]),
        ("ffhffhff", ["twin", "twin"]),
        ("fhhhhf", ["hcp"]),
        ("fhhfhff", ["rhcp"]),
    ],
)
def test_defects_of_fcc_by_hand(letters, names):
    assert [name for _, _, name in name_defects(letters)] == names


@pytest.mark.parametrize(
    ("letters", "names"), [("hhhfhhh", ["intrinsic"]), ("hhffhh", ["intrinsic"]), ("hhfffhh", ["extrinsic"])]
)
def test_defects_of_wurtzite_by_hand(letters, names):
    assert [name for _, _, name in name_defects(letters, host="h")] == names


@given(st.text(alphabet="fh", min_size=1, max_size=30))
def test_a_stack_made_from_letters_has_these_letters(letters):
    assert layer_letters(sequence_of(letters))[1:-1] == letters


@given(st.text(alphabet="fh", min_size=1, max_size=30))
def test_mirroring_a_stack_mirrors_its_layers(letters):
    sequence = sequence_of(letters)

    assert layer_letters(sequence[::-1]) == layer_letters(sequence)[::-1]


def test_sides_of_a_fault_are_one_grain_and_sides_of_a_twin_two():
    fault, twin = label_layers("ABCABCBCABC"), label_layers("ABCABACBA")

    assert fault.grain.tolist() == [0] * 5 + [-1, -1] + [0] * 4
    assert twin.grain.tolist() == [0] * 4 + [-1] + [1] * 4
    assert twin.sense.tolist() == [1, -1]


@pytest.mark.parametrize("sequence", ["AB", "ABB", "ABX", "abc", ""])
def test_what_is_no_stack_is_refused(sequence):
    with pytest.raises(ValueError, match="Expected three or more layers A, B, C"):
        stacking_steps(sequence)


def test_letters_other_than_f_and_h_are_refused():
    with pytest.raises(ValueError, match=r"Expected letters f .* and h"):
        sequence_of("ffx")
