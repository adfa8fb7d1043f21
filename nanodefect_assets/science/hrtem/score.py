"""A mask against the truth: counts first, ratios last."""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Shaped


@dataclass(frozen=True, kw_only=True)
class MaskScore:
    """Pixels on which a mask and the truth agree or not; scores of several micrographs are added, then divided.

    Attributes
    ----------
    n_true_positive, n_false_positive, n_false_negative, n_true_negative : int
        Pixels that are particle in both, in the mask alone, in the truth alone and in neither.

    Notes
    -----
    The view ``mask_quality`` of the warehouse has the same ratios; what is not a number here is missing there.
    """

    n_true_positive: int
    n_false_positive: int
    n_false_negative: int
    n_true_negative: int

    def __add__(self, other: "MaskScore") -> "MaskScore":
        return MaskScore(
            n_true_positive=self.n_true_positive + other.n_true_positive,
            n_false_positive=self.n_false_positive + other.n_false_positive,
            n_false_negative=self.n_false_negative + other.n_false_negative,
            n_true_negative=self.n_true_negative + other.n_true_negative,
        )

    @property
    def dice(self) -> float:
        """2 TP / (2 TP + FP + FN); 1 where both masks are empty."""
        n_wrong = self.n_false_positive + self.n_false_negative
        return _ratio(2 * self.n_true_positive, 2 * self.n_true_positive + n_wrong, empty=1.0)

    @property
    def iou(self) -> float:
        """TP / (TP + FP + FN); 1 where both masks are empty."""
        n_wrong = self.n_false_positive + self.n_false_negative
        return _ratio(self.n_true_positive, self.n_true_positive + n_wrong, empty=1.0)

    @property
    def precision(self) -> float:
        """TP / (TP + FP); not a number where the mask is empty, whatever the truth."""
        return _ratio(self.n_true_positive, self.n_true_positive + self.n_false_positive)

    @property
    def recall(self) -> float:
        """TP / (TP + FN); not a number where the truth is empty, whatever the mask."""
        return _ratio(self.n_true_positive, self.n_true_positive + self.n_false_negative)


def score_mask(predicted_mask: Shaped[np.ndarray, "row col"], true_mask: Shaped[np.ndarray, "_ _"]) -> MaskScore:
    """Count the pixels on which `predicted_mask` and `true_mask` agree; every value but 0 is particle."""
    if predicted_mask.shape != true_mask.shape:
        raise ValueError(f"Expected masks of one shape. Got {predicted_mask.shape} and {true_mask.shape}.")
    n_both = np.count_nonzero(np.logical_and(predicted_mask, true_mask))
    n_predicted, n_true = np.count_nonzero(predicted_mask), np.count_nonzero(true_mask)
    return MaskScore(
        n_true_positive=int(n_both),
        n_false_positive=int(n_predicted - n_both),
        n_false_negative=int(n_true - n_both),
        n_true_negative=int(true_mask.size - n_predicted - n_true + n_both),
    )


def _ratio(part: int, whole: int, *, empty: float = float("nan")) -> float:
    return part / whole if whole else empty
