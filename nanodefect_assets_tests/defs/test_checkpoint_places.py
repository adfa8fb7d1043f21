"""Unfinished work goes on only where the same code does it with the same settings on the same inputs."""

from types import SimpleNamespace

from nanodefect_assets.defs.tomography.series import checkpoint_of
from nanodefect_assets.science.tomography.alignment_params import AlignmentParams

PARAMS = AlignmentParams()


def test_each_change_has_a_state_of_its_own(home):
    resource = SimpleNamespace(home=home)

    def place(version="1", params=PARAMS, source="digest"):
        return checkpoint_of(resource, SimpleNamespace(code_version=version), "alignment", params, source).path

    changed = {place("2"), place(params=PARAMS.model_copy(update={"n_rounds": 3})), place(source="other")}

    assert place() == place()
    assert place() not in changed
    assert len(changed) == 3
    assert place().parent == home.work / "alignment"
