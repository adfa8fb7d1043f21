from dataclasses import replace

import numpy as np
import pytest

from nanodefect_assets.domain.structure import Structure


@pytest.fixture
def pair():
    return Structure(
        species=np.array(["Cd", "Se"]),
        positions_angstrom=np.array([[1.0, 0, 0], [0, 2.0, 0]]),
        grain=np.array([0, -1]),
        layer_kind=np.array(["fcc", "hcp"]),
        defect=np.array(["none", "twin"]),
        frames=np.eye(3)[None],
        kind="pair",
        bond_angstrom=2.0,
    )


def test_turning_moves_atoms_and_frames_alike(pair):
    quarter_about_z = np.array([[0.0, -1, 0], [1, 0, 0], [0, 0, 1]])

    turned = pair.rotated(quarter_about_z)

    assert turned.positions_angstrom.tolist() == [[0, 1, 0], [-2, 0, 0]]
    assert turned.frames[0].tolist() == [[0, 1, 0], [-1, 0, 0], [0, 0, 1]]


def test_taking_atoms_keeps_their_labels(pair):
    swapped = pair.taken(np.array([1, 0]))

    assert swapped.species.tolist() == ["Se", "Cd"]
    assert swapped.grain.tolist() == [-1, 0]
    assert len(pair.taken(np.array([True, False]))) == 1


def test_centring_puts_the_mean_at_the_origin(pair):
    assert pair.centred().positions_angstrom.mean(axis=0) == pytest.approx([0, 0, 0])


@pytest.mark.parametrize("field", ["species", "grain", "layer_kind", "defect"])
def test_labels_of_another_number_of_atoms_are_refused(pair, field):
    with pytest.raises(ValueError, match=f"Expected {field} of 2 atoms. Got 1"):
        replace(pair, **{field: getattr(pair, field)[:1]})


def test_unknown_words_are_refused(pair):
    with pytest.raises(ValueError, match=r"Expected layer_kind among fcc, hcp.*Got bcc"):
        replace(pair, layer_kind=np.array(["fcc", "bcc"]))
