"""Checks of the options of `deephemnma preflight`."""

from pathlib import Path

import pytest

from deephemnma.core.error import InputError
from deephemnma.settings.stage.preflight import PreflightStage
from deephemnma.settings.stage.reference import ReferenceOptions


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"sample": 4}, "--sample"),
        ({"scanned_images": -1}, "--scanned-images"),
        ({"closest": -0.1}, "--closest"),
        ({"workers": -1}, "--workers"),
    ],
)
def test_values_out_of_range_are_refused(options: dict, said: str) -> None:
    with pytest.raises(InputError, match=said):
        PreflightStage(Path("p"), ReferenceOptions(Path("r")), **options)
