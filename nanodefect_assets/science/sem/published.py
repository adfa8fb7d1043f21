"""What was published: figs. 5.3 and 5.4, table 5.1.

The counts behind the figures are those of the notebook ``results.ipynb`` of github.com/ckgrosch/labelfree_chirality at
33ea2e78 (doi:10.5281/zenodo.5548317). They were scored on 384 validation images of Te and 1,253 of sevens, most of
which have their mirror in the training set. The six networks of co-teaching are three pairs, but which are pairs is not
said: they are taken one by one here, so that the standard error is too small where the two of a pair are alike.
"""

from dataclasses import dataclass

import numpy as np

_Counts = dict[int, tuple[tuple[int, int], ...]]
_Fractions = dict[int, tuple[float, ...]]


@dataclass(frozen=True, kw_only=True)
class PublishedCurve:
    """Results of one method.

    Attributes
    ----------
    n_images : int
        Images that each network was judged by, half of them of either hand.
    wrong : dict of int to tuple
        For each percentage of wrong labels and each network, how many images it wrongly called right, and left.
    left_fractions : dict of int to tuple
        For each percentage, the share that each network, or pair of networks, called left of a population with that
        share of left-handed particles.
    """

    n_images: int
    wrong: _Counts
    left_fractions: _Fractions

    def accuracy(self, error_percent: int) -> tuple[float, float]:
        """Return mean and standard error over the networks of the share named rightly; not a number for one network."""
        return _mean_and_error([1 - sum(counts) / self.n_images for counts in self.wrong[error_percent]])

    def left_fraction(self, error_percent: int) -> tuple[float, float]:
        """Return mean and standard error over the networks of the share called left."""
        return _mean_and_error(list(self.left_fractions[error_percent]))


def _mean_and_error(values: list[float]) -> tuple[float, float]:
    error = np.std(values, ddof=1) / np.sqrt(len(values)) if len(values) > 1 else np.nan
    return float(np.mean(values)), float(error)


TE_STANDARD = PublishedCurve(
    n_images=384,
    wrong={
        1: ((6, 0), (1, 2), (3, 3)),
        5: ((4, 6), (3, 7), (3, 6)),
        10: ((11, 6), (9, 7), (7, 5)),
        20: ((40, 42), (11, 15)),
        30: ((23, 26), (23, 34), (41, 26)),
        40: ((32, 66), (58, 39), (36, 53)),
        42: ((59, 57), (1, 192), (43, 57)),
        46: ((87, 74), (66, 77), (72, 65)),
        48: ((69, 92), (102, 70), (75, 78)),
        50: ((73, 110), (107, 81), (103, 88)),
    },
    left_fractions={
        1: (0.01, 0.026, 0.021),
        5: (0.083, 0.083, 0.089),
        10: (0.115, 0.115, 0.115),
        20: (0.24, 0.328),
        30: (0.333, 0.328, 0.385),
        40: (0.516, 0.411, 0.521),
        42: (0.432, 1.0, 0.526),
        46: (0.552, 0.469, 0.495),
        48: (0.516, 0.505, 0.396),
        50: (0.469, 0.474, 0.615),
    },
)

TE_TWO_STEP = PublishedCurve(
    n_images=384,
    wrong={
        1: ((4, 6), (7, 3), (8, 5)),
        5: ((7, 10), (9, 6)),
        10: ((11, 9), (10, 9)),
        20: ((11, 12), (12, 12), (11, 18)),
        30: ((19, 21), (19, 21), (17, 17)),
        40: ((24, 25), (26, 34), (28, 28)),
        42: ((31, 43), (34, 30), (26, 45)),
        46: ((43, 71), (49, 57), (55, 45)),
        48: ((83, 79), (89, 81), (82, 79)),
        50: ((92, 99), (105, 90), (105, 96)),
    },
    left_fractions={
        1: (0.042, 0.026, 0.036),
        5: (0.073, 0.094),
        10: (0.135, 0.135),
        20: (0.245, 0.271, 0.245),
        30: (0.339, 0.349, 0.339),
        40: (0.438, 0.443, 0.443),
        42: (0.448, 0.448, 0.396),
        46: (0.562, 0.542, 0.479),
        48: (0.505, 0.547, 0.516),
        50: (0.464, 0.536, 0.484),
    },
)

TE_CO_TEACHING = PublishedCurve(
    n_images=384,
    wrong={
        1: ((4, 12), (9, 8), (7, 6), (5, 14), (4, 13), (7, 9)),
        5: ((11, 8), (11, 4), (15, 4), (11, 7), (9, 10), (12, 9)),
        10: ((8, 12), (14, 6), (7, 14), (14, 7), (10, 9), (6, 12)),
        20: ((6, 11), (13, 7), (6, 10), (9, 12), (7, 14), (7, 10)),
        30: ((18, 21), (18, 20), (20, 20), (18, 19), (17, 22), (14, 21)),
        40: ((21, 24), (21, 25), (24, 22), (25, 22), (22, 23), (20, 24)),
        42: ((25, 20), (26, 21), (24, 21), (23, 21), (26, 19), (26, 21)),
        46: ((95, 8), (97, 6), (92, 9), (97, 8), (90, 11), (91, 10)),
        48: ((172, 19), (167, 22), (152, 79), (174, 22), (155, 75), (173, 23)),
        50: ((109, 158), (121, 120), (107, 161), (123, 120), (108, 114), (109, 111)),
    },
    left_fractions={
        1: (0.062, 0.078, 0.089),
        5: (0.104, 0.089, 0.109),
        10: (0.115, 0.125, 0.115),
        20: (0.24, 0.229, 0.224),
        30: (0.339, 0.333, 0.349),
        40: (0.422, 0.401, 0.417),
        42: (0.411, 0.411, 0.406),
        46: (0.229, 0.224, 0.245),
        48: (0.13, 0.328, 0.135),
        50: (0.635, 0.448, 0.474),
    },
)

SEVENS_STANDARD = PublishedCurve(
    n_images=1253,
    wrong={
        0: ((1, 2),),
        5: ((1, 2),),
        10: ((1, 4),),
        20: ((1, 5),),
        30: ((1, 1),),
        40: ((1, 9),),
        42: ((6, 7),),
        46: ((49, 40),),
        48: ((149, 180),),
        50: ((376, 391),),
    },
    left_fractions={
        0: (0.00319,),
        5: (0.052632,),
        10: (0.106858,),
        20: (0.204147,),
        30: (0.301435,),
        40: (0.403509,),
        42: (0.425837,),
        46: (0.460925,),
        48: (0.521531,),
        50: (0.491228,),
    },
)

AS_SYNTHESISED = {"standard": (0.65, 0.049), "two_step": (0.66, 0.002), "co_teaching": (0.91, 0.002)}
"""Accuracy and its standard error on as-synthesised Te particles, 22 % of them left-handed (table 5.1)."""
