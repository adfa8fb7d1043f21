"""`nanodefect compare-simulators`: the fast simulators against multislice, as tables and figures."""

import csv
from dataclasses import asdict, fields
from pathlib import Path

import click
import numpy as np

from nanodefect_assets.cli.simulate import say_step
from nanodefect_assets.domain.agreement import Agreement, ComparedImages
from nanodefect_assets.science.synthetic.params import AgreementParams

_SEED = 2021
_MAX_BYTES = 1_000_000


def compare_all(out: Path, params: AgreementParams) -> None:
    """Compare every case, print and write the numbers, and draw the figures."""
    from nanodefect_assets.plots.agreement import plot_agreements, plot_compared_images
    from nanodefect_assets.plots.png import figure_png
    from nanodefect_assets.science.synthetic.agreement import compare_simulators, measure_agreement

    out.mkdir(parents=True, exist_ok=True)
    agreements: list[Agreement] = []
    shown: list[ComparedImages] = []
    for images in compare_simulators(params, rng=np.random.default_rng(_SEED), on_step=say_step):
        agreements += measure_agreement(images)
        if _is_shown(images, params):
            shown.append(images)
    _write_csv(out / "agreement.csv", agreements)
    hrtem = [each for each in agreements if each.model != "linear"]
    (out / "agreement.png").write_bytes(figure_png(plot_agreements(hrtem), _MAX_BYTES))
    (out / "images.png").write_bytes(figure_png(plot_compared_images(shown), _MAX_BYTES))
    for each in agreements:
        click.echo(_line(each))
    click.echo(f"SIMULATED. Wrote agreement.csv, agreement.png and images.png to {out}")


def _is_shown(images: ComparedImages, params: AgreementParams) -> bool:
    """Whether images are drawn: dark field, and HRTEM of the second smallest particles at the middle defocus."""
    sizes, defoci = sorted(params.diameters_nm), sorted(params.defoci_nm)
    is_middle = images.setting == f"defocus {defoci[len(defoci) // 2]:g} nm"
    return "mrad" in images.setting or (images.diameter_nm == sizes[min(1, len(sizes) - 1)] and is_middle)


def _write_csv(path: Path, agreements: list[Agreement]) -> None:
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, fieldnames=[each.name for each in fields(Agreement)], lineterminator="\n")
        writer.writeheader()
        writer.writerows(asdict(each) for each in agreements)


def _line(each: Agreement) -> str:
    case = f"{each.material:5}{each.diameter_nm:4.1f} nm  {each.view:12} {each.setting:15} {each.model:14}"
    return (
        f"{case} r {each.correlation:6.3f}  contrast x {each.contrast_ratio:5.2f}  "
        f"log power r {each.spectrum_correlation:6.3f}  power x {each.power_ratio:6.2f}"
    )
