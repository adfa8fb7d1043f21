import json
import subprocess
import sys
from typing import get_args

import pytest
from pydantic import ValidationError

from nanodefect_assets.science.learning.params import Architecture, TrainingParams


def test_the_published_protocols():
    chapter_3 = TrainingParams.thesis("unet")
    assert (chapter_3.optimiser, chapter_3.learning_rate, chapter_3.loss) == ("adam", 1e-4, "cross_entropy")
    assert (chapter_3.max_epochs, chapter_3.patience, chapter_3.min_delta) == (10, 2, 1e-3)
    assert chapter_3.n_per_batch * chapter_3.steps_per_epoch == 1000 * 4 / 5
    for architecture in set(get_args(Architecture)) - {"unet"}:
        chapter_4 = TrainingParams.thesis(architecture)
        assert (chapter_4.max_epochs, chapter_4.steps_per_epoch, chapter_4.patience) == (20, 100, None)
        assert (chapter_4.rare_share, chapter_4.rare_patch_share, chapter_4.cropped_share) == (0, 0, 0)
    assert TrainingParams.thesis("unet_vgg16").loss == "cross_entropy_dice"
    assert (TrainingParams.thesis("fpn").optimiser, TrainingParams.thesis("fpn").learning_rate) == ("adadelta", 1e-3)
    atrous = TrainingParams.thesis("atrous")
    assert (atrous.optimiser, atrous.learning_rate, atrous.loss) == ("adam", 5e-5, "cross_entropy")


def test_unknown_or_impossible_parameters_are_refused():
    with pytest.raises(ValidationError, match="learning_rat\n"):
        TrainingParams(learning_rat=1)
    with pytest.raises(ValidationError, match="greater than 0"):
        TrainingParams(learning_rate=0)


def test_parameters_are_light():
    code = "import json, sys, nanodefect_assets.science.learning.params; print(json.dumps(sorted(sys.modules)))"
    loaded = json.loads(subprocess.run([sys.executable, "-c", code], capture_output=True, check=True, text=True).stdout)
    assert not {"torch", "scipy", "pandas", "segmentation_models_pytorch"} & set(loaded)
