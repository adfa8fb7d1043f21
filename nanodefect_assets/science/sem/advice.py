"""Which training suits a batch: the thesis's advice, and where it does not reach."""

from dataclasses import dataclass

from nanodefect_assets.domain.manifest import Chirality
from nanodefect_assets.science.sem.params import Method, ProductionParams


@dataclass(frozen=True, kw_only=True)
class Choice:
    """A method, or none, and why."""

    method: Method | None
    reason: str


def choose_method(chirality: Chirality, params: ProductionParams, *, n_anchors: int) -> Choice:
    """Return how a batch is to be trained on, from what is known of it beforehand.

    Parameters
    ----------
    chirality : Chirality
        What batch.yaml says.
    n_anchors : int
        Particles of known hand that were found.

    Notes
    -----
    Chapter 5, implications: true enantiomers with one hand much favoured, standard; true enantiomers of a balanced
    batch, two-step; where looks go with the hand, or it is not known whether they do, co-teaching. Two-step training
    starts from particles of known hand, so that without an anchor co-teaching takes its place.
    """
    share = chirality.expected_minority_share
    if share is not None and share >= params.racemic_from:
        return Choice(
            method=None,
            reason=f"{share:.0%} of the rarer hand are expected: in a racemic batch mirror labels tell nothing.",
        )
    if chirality.true_enantiomers is not True:
        known = "not known to be" if chirality.true_enantiomers is None else "not"
        return Choice(
            method="co_teaching",
            reason=f"The hands are {known} true mirror images: co-teaching bears looks of their own.",
        )
    if share is None:
        return Choice(method="co_teaching", reason="True mirror images, but the share of the rarer hand is not known.")
    if share <= params.low_error:
        return Choice(method="standard", reason=f"True mirror images and few wrong labels ({share:.0%} expected).")
    if n_anchors == 0:
        return Choice(
            method="co_teaching",
            reason=f"True mirror images and many wrong labels ({share:.0%} expected), but no anchor to start from.",
        )
    return Choice(
        method="two_step",
        reason=f"True mirror images and many wrong labels ({share:.0%} expected): {n_anchors} anchors to start from.",
    )
