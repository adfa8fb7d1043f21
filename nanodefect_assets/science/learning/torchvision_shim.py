"""Import segmentation_models_pytorch beside any build of torchvision.

torchvision from the Python package index is built for CUDA. Beside a CPU build of torch its compiled part does not
load, and registering what the networks never use (`nms`) then fails at import.
"""

from functools import cache
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import torch

_SCHEMAS = ("nms", "qnms")
_SIGNATURE = "(Tensor dets, Tensor scores, float iou_threshold) -> Tensor"


def import_segmentation_models() -> Any:
    """Return the module segmentation_models_pytorch, imported so that it works with and without CUDA."""
    _define_missing_operators()
    import segmentation_models_pytorch

    return segmentation_models_pytorch


@cache  # the definitions last as long as the library that is returned
def _define_missing_operators() -> torch.library.Library | None:
    """Declare the two operators where the compiled part cannot; None where it can, and nothing is done."""
    if _native_part_loads():
        return None
    library = torch.library.Library("torchvision", "DEF")
    for name in _SCHEMAS:
        library.define(f"{name}{_SIGNATURE}")
    return library


def _native_part_loads() -> bool:
    spec = find_spec("torchvision")
    if spec is None or spec.origin is None:
        raise ImportError("Expected the package torchvision beside torch. Got none: install the project again.")
    try:
        for path in sorted(Path(spec.origin).parent.glob("_C*.so")):
            torch.ops.load_library(path)
    except OSError:
        return False
    return hasattr(torch.ops.torchvision, "nms")
