import numpy as np
import pandas as pd
import pytest

from nanodefect_assets.plots.rates import plot_rates

RAW = pd.DataFrame({"value": [0.2, 0.4], "low": [0.1, 0.2], "high": [0.4, 0.7]})
CORRECTED = pd.DataFrame({"value": [0.1, np.nan], "low": [0.0, np.nan], "high": [0.3, np.nan]})


def test_each_share_stands_in_its_interval_over_its_aliquot():
    [axes] = plot_rates(["1 h", "8 h"], {"counted": RAW, "corrected": CORRECTED}).axes

    raw, corrected = axes.containers
    assert raw.lines[0].get_ydata().tolist() == [0.2, 0.4]
    bars = [[bar for bar in kind.lines[2][0].get_segments() if len(bar)] for kind in (raw, corrected)]
    ends = [[bar[:, 1].tolist() for bar in kind] for kind in bars]
    assert ends[0] == [pytest.approx([0.1, 0.4]), pytest.approx([0.2, 0.7])]
    assert ends[1] == [pytest.approx([0.0, 0.3])]
    assert [tick.get_text() for tick in axes.get_xticklabels()] == ["1 h", "8 h"]
    assert [round(place) for place in raw.lines[0].get_xdata()] == [0, 1]
    assert raw.lines[0].get_xdata()[0] < corrected.lines[0].get_xdata()[0]


def test_one_kind_needs_no_legend():
    [axes] = plot_rates(["1 h", "8 h"], {"counted": RAW}, title="faulted").axes

    assert axes.get_legend() is None
    assert axes.get_title(loc="left") == "faulted"
