"""When snapshots of the proxy run are taken."""

import pytest
from pydantic import ValidationError

from cadc.config.errors import InputError
from cadc.config.params import Proxy
from cadc.training.snapshots import snapshot_steps


def test_snapshot_steps_avoid_both_ends():
    assert snapshot_steps(100, [0.001, 0.5, 0.99]) == [1, 50, 99]
    for n_steps, shares in ((100, [0.501, 0.502]), (100, [0.5, 0.999]), (3, [0.125, 0.375, 0.625, 0.875])):
        with pytest.raises(InputError, match="too few"):
            snapshot_steps(n_steps, shares)


def test_snapshots_are_taken_amid_equal_stretches_or_where_they_are_asked_for(params):
    def steps(snapshots):
        return snapshot_steps(
            100, Proxy.model_validate(params.proxy.model_dump() | {"snapshots": snapshots}).snapshots_at
        )

    assert steps(4) == [12, 38, 62, 88] and steps([0.1, 0.9]) == [10, 90]
    for wrong in ([], [0.0, 0.5], [0.5, 1.0], [0.5, 0.5], [0.9, 0.1], [2], 0):
        with pytest.raises(ValidationError, match="snapshots"):
            steps(wrong)
