import numpy as np
import torch

from nanodefect_assets.science.sem.augment import augment, draw_maps
from nanodefect_assets.science.sem.params import HandednessAugmentationParams


def test_no_map_is_a_mirror(rng):
    maps = draw_maps(500, HandednessAugmentationParams(max_rotation_deg=180, max_zoom=0.9, max_shear=0.9), rng=rng)

    assert (np.linalg.det(maps) > 0).all()


def test_maps_stay_within_what_was_asked(rng):
    params = HandednessAugmentationParams(half_turn=False, max_rotation_deg=5, max_zoom=0.3, max_shear=0.0)
    maps = draw_maps(2000, params, rng=rng)
    angles = np.degrees(np.arctan2(maps[:, 1, 0], maps[:, 0, 0]))
    sizes = 1 / np.sqrt(np.linalg.det(maps))

    assert 4.9 < np.abs(angles).max() <= 5.001
    assert 0.7 <= sizes.min() < 0.71
    assert 1.29 < sizes.max() <= 1.301


def test_a_half_turn_alone_turns_half_of_the_crops_exactly():
    params = HandednessAugmentationParams(max_rotation_deg=0, max_zoom=0, max_shear=0)
    crops = torch.from_numpy(np.random.default_rng(0).random((200, 1, 9, 9), dtype=np.float32))

    moved = augment(crops, params, rng=np.random.default_rng(1))

    is_turned = torch.isclose(moved, crops.flip(-1, -2), atol=1e-4).all(dim=(1, 2, 3))
    is_same = torch.isclose(moved, crops, atol=1e-4).all(dim=(1, 2, 3))
    assert (is_turned ^ is_same).all()
    assert 70 < int(is_turned.sum()) < 130


def test_contrast_scales_each_image():
    params = HandednessAugmentationParams(
        half_turn=False, max_rotation_deg=0, max_zoom=0, max_shear=0, max_contrast=0.3
    )
    moved = augment(torch.ones(50, 1, 5, 5), params, rng=np.random.default_rng(1))

    gains = moved[:, 0, 2, 2]
    assert torch.allclose(moved[:, 0], gains[:, None, None].expand(-1, 5, 5), atol=1e-4)
    assert 0.7 <= gains.min() < 0.8
    assert 1.2 < gains.max() <= 1.3
