"""Segmenters beside one another."""

from typing import TYPE_CHECKING, Any

import dagster as dg

from nanodefect_assets.defs.checks import declare_check
from nanodefect_assets.defs.hrtem.benchmark_pages import benchmark_table, material_table, preview, threshold_picture
from nanodefect_assets.defs.hrtem.contenders import Gathered, contenders_of, gather
from nanodefect_assets.defs.hrtem.scoring import count_thresholds
from nanodefect_assets.defs.making import making, picture, report
from nanodefect_assets.defs.resources import Compute, HomeResource
from nanodefect_assets.domain.refusal import Refusal
from nanodefect_assets.science.learning.benchmark_params import BenchmarkParams

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd

    from nanodefect_assets.science.learning.benchmark import Contender, Estimate

_ASSET = ("hrtem", "segmentation_benchmark")
_FOURIER, _OTSU = ("fourier", "fourier_annulus"), ("otsu_intensity", "otsu_local_std")


class BenchmarkConfig(BenchmarkParams, dg.Config):
    """Launchpad form of `BenchmarkParams`."""


@dg.asset(
    key=list(_ASSET),
    deps=[
        ["hrtem", "training_set"],
        ["hrtem", "segmenter"],
        ["hrtem", "classical_segmenters"],
        ["hrtem", "material_study"],
    ],
    group_name="hrtem",
    code_version="1",
    kinds={"parquet"},
    check_specs=[
        declare_check(
            _ASSET,
            "everything_compared",
            "Every architecture, every classical method and the study of materials is there, made from one training "
            "set.",
            partitions=None,
        ),
        declare_check(
            _ASSET,
            "network_over_fourier_over_otsu",
            "On all held-out micrographs the best network is above the better Fourier filter and that above Otsu's "
            "plain threshold, by the whole 95 % interval of the paired difference of Dice.",
            partitions=None,
        ),
    ],
)
def segmentation_benchmark(
    context: dg.AssetExecutionContext, config: BenchmarkConfig, home: HomeResource, compute: Compute
) -> dg.MaterializeResult:
    """Networks, Otsu and Fourier filter on the same held-out micrographs: tables 3.1 and B.1, fig. B.2.

    By material, and on a grid of material, dose and pixel size, with 95 % intervals over micrographs. Published scores
    stand beside, of other micrographs. What was made from an earlier training set is left out, and said to be.
    """
    from nanodefect_assets.domain.randomness import generator_for
    from nanodefect_assets.domain.schemas import BENCHMARK_SCORES, THRESHOLD_SCORES
    from nanodefect_assets.science.learning.benchmark import parts_of, score_contenders

    found = gather(home.home)
    contenders, parts = contenders_of(found.trainings), parts_of(found.held_out, config)
    if not contenders or not parts:
        raise _nothing_to_compare(found)
    with making(context, home, inputs=found.inputs, params=config) as out:
        out.n_items = len(contenders)
        scores = score_contenders(
            found.scores,
            contenders,
            parts,
            class_names=found.class_names,
            params=config,
            rng=generator_for(config.benchmark_seed, "hrtem/segmentation_benchmark"),
        )
        out.add_rows(
            BENCHMARK_SCORES, scores.assign(training_fingerprint=found.fingerprint)[list(BENCHMARK_SCORES.names)]
        )
        thresholds = _thresholds(home, found, compute)
        out.add_rows(THRESHOLD_SCORES, thresholds)
    return report(
        out,
        metadata=_metadata(scores, thresholds, found),
        checks=[
            dg.AssetCheckResult(
                check_name="everything_compared",
                passed=not found.missing,
                severity=dg.AssetCheckSeverity.WARN,
                metadata={"missing": dg.MetadataValue.json(found.missing)},
            ),
            _ordered(found, contenders, config),
        ],
        preview=preview(scores),
    )


def _nothing_to_compare(found: Gathered) -> Refusal:
    if found.held_out.empty:
        return Refusal(
            "nothing_held_out",
            expected="held-out micrographs with labels in the training set",
            got="none",
            advice="Raise test_fraction of hrtem/training_set, or add micrographs.",
        )
    return Refusal(
        "nothing_to_compare",
        expected="segmenters trained or tuned on the training set in force",
        got="; ".join(f"{name}: {why}" for name, why in found.missing.items()),
        advice="Materialise hrtem/segmenter or hrtem/classical_segmenters.",
    )


def _thresholds(home: HomeResource, found: Gathered, compute: Compute) -> "pd.DataFrame":
    """Return the rows of `THRESHOLD_SCORES`: every registered network is applied to the test side once more."""
    import pandas as pd

    from nanodefect_assets.defs.hrtem.networks import SEGMENTER, network_of
    from nanodefect_assets.domain.schemas import THRESHOLD_SCORES
    from nanodefect_assets.stores.registry import model_version

    registered = found.registered()
    test, rows = found.test_side() if registered else None, []
    for name, version in registered.items():
        assert test is not None
        network = network_of(model_version(home.home, SEGMENTER, version))
        counted = count_thresholds(network, test, compute.pick_device())
        for (material, is_simulated), groups in _groups(test.sources).items():
            for at, threshold in enumerate(counted.thresholds):
                both = int(counted.n_true_positive[groups, at].sum())
                rows.append(
                    {
                        "training_fingerprint": found.fingerprint,
                        "method": name,
                        "material": material,
                        "is_simulated": is_simulated,
                        "threshold": float(threshold),
                        "n_true_positive": both,
                        "n_false_positive": int(counted.n_false_positive[groups, at].sum()),
                        "n_false_negative": int(counted.n_true[groups].sum()) - both,
                    }
                )
    return pd.DataFrame(rows, columns=list(THRESHOLD_SCORES.names))


def _groups(sources: Any) -> dict[tuple[str | None, bool], list[int]]:
    found: dict[tuple[str | None, bool], list[int]] = {}
    for group, source in enumerate(sources):
        found.setdefault((source.material, source.is_simulated), []).append(group)
    return found


def _ordered(found: Gathered, contenders: "list[Contender]", config: BenchmarkConfig) -> dg.AssetCheckResult:
    """Check the order of the best network, the better Fourier filter and Otsu's plain threshold."""
    from nanodefect_assets.defs.hrtem.contenders import ARCHITECTURES

    compared = {
        "network_ahead_of_fourier": _ahead(found, contenders, ARCHITECTURES, _FOURIER, config),
        "fourier_ahead_of_otsu": _ahead(found, contenders, _FOURIER, _OTSU[:1], config),
    }
    is_sure = [one is not None and one.low is not None and one.low > 0 for one in compared.values()]
    shown = {name: None if one is None else [one.value, one.low, one.high] for name, one in compared.items()}
    return dg.AssetCheckResult(
        check_name="network_over_fourier_over_otsu",
        passed=all(is_sure),
        severity=dg.AssetCheckSeverity.WARN,
        metadata={"difference_and_interval": dg.MetadataValue.json(shown)},
    )


def _ahead(
    found: Gathered,
    contenders: "list[Contender]",
    first: tuple[str, ...],
    second: tuple[str, ...],
    config: BenchmarkConfig,
) -> "Estimate | None":
    """Return by how much the best of some methods is ahead of the best of others; None where either is missing."""
    from nanodefect_assets.domain.randomness import generator_for
    from nanodefect_assets.science.learning.benchmark import dice_ahead
    from nanodefect_assets.science.learning.comparison import draw_micrographs

    micrograph_ids = sorted(found.held_out["micrograph_id"])
    one, other = (_best_counts(found, contenders, names, micrograph_ids) for names in (first, second))
    if one is None or other is None:
        return None
    rng = generator_for(config.benchmark_seed, "hrtem/segmentation_benchmark", "order")
    return dice_ahead(one, other, draw_micrographs(one.shape[1], config.n_resamples, rng))


def _best_counts(
    found: Gathered, contenders: "list[Contender]", names: tuple[str, ...], micrograph_ids: list[str]
) -> "np.ndarray | None":
    from nanodefect_assets.science.learning.benchmark import BEST, ratios, tally

    counts = [
        tally(found.scores, one.runs, micrograph_ids, found.class_names)
        for one in contenders
        if one.name in names and one.repeats == BEST and one.trained_on is None
    ]
    return max(counts, key=lambda got: float(ratios(got.sum(axis=1))["dice"].mean()), default=None)


def _metadata(scores: "pd.DataFrame", thresholds: "pd.DataFrame", found: Gathered) -> dict[str, Any]:
    whole = scores[(scores["part"] == "all") & (scores["trained_on"] == "all") & (scores["repeats"] == "best")]
    curves = threshold_picture(scores, thresholds)
    return {
        **{f"dice/{row['method']}": row["dice"] for row in whole.to_dict("records") if row["dice"] is not None},
        "training_fingerprint": found.fingerprint,
        "n_held_out_micrographs": len(found.held_out),
        "missing": dg.MetadataValue.json(found.missing),
        "scores": dg.MetadataValue.md(benchmark_table(scores)),
        "one_material_or_mixed": dg.MetadataValue.md(material_table(scores)),
        **({} if curves is None else {"precision_recall": picture(curves)}),
    }
