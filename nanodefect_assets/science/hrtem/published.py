"""What was published on segmentation: tables 3.1, B.1 and 4.1, and the classical methods beside the first.

All are of measured micrographs (CdSe at 1024 x 1024 px, Au at 4096 x 4096 px, 300 kV), in patches of 512 x 512 px that
were parted by patch, so that parts of one micrograph lay on both sides. They stand beside what is measured here, never
in its place.

References
----------
C. K. Groschner, Electron Microscopy for the Study of Defect Development in Nanomaterials, PhD thesis, UC Berkeley
(2021), chapters 3 and 4, appendix B.
"""

from collections.abc import Mapping

ALL = "all"

TABLE_3_1: Mapping[tuple[str, str], Mapping[str, float]] = {
    ("unet", ALL): {"dice": 0.80, "precision": 0.82, "recall": 0.78},
    ("unet", "CdSe"): {"dice": 0.59, "precision": 0.56, "recall": 0.62},
    ("unet", "Au"): {"dice": 0.89, "precision": 0.95, "recall": 0.84},
    ("otsu_intensity", ALL): {"dice": 0.33},
    ("otsu_intensity", "CdSe"): {"dice": 0.21},
    ("otsu_intensity", "Au"): {"dice": 0.45},
    ("fourier_annulus", ALL): {"dice": 0.52},
    ("fourier_annulus", "CdSe"): {"dice": 0.33},
    ("fourier_annulus", "Au"): {"dice": 0.78},
}
"""Scores by method and material; those of the classical methods are in the text of section 3.3."""

TABLE_B_1: Mapping[str, Mapping[str, float]] = {
    "CdSe": {"dice": 0.43, "precision": 0.44, "recall": 0.42},
    "mixed": {"dice": 0.59, "precision": 0.56, "recall": 0.62},
}
"""Scores on CdSe by what the U-Net was trained on, the same number of images of each."""

TABLE_4_1: Mapping[str, Mapping[str, float]] = {
    "unet_vgg16": {"dice": 0.74, "iou": 0.61},
    "unet_resnet18": {"dice": 0.82, "iou": 0.71},
    "unet_mobilenet": {"dice": 0.80, "iou": 0.69},
    "atrous": {"dice": 0.80, "iou": 0.67},
    "fpn": {"dice": 0.82, "iou": 0.72},
}
"""Scores by architecture, each trained three times."""
