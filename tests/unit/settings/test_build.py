"""Settings from YAML values: flat or grouped options, and mistakes told by name."""

from pathlib import Path

import pytest

from deephemnma.core.error import InputError
from deephemnma.settings.build import list_options, make_settings
from deephemnma.settings.stage.estimate import EstimateStage
from deephemnma.settings.stage.refine import RefineStage
from deephemnma.settings.stage.report import ReportStage
from deephemnma.settings.stage.simulate import SimulateStage


def build(kind: type, **options: object) -> object:
    return make_settings(kind, options, resolve_path=Path, where="stage x")


def test_options_of_groups_are_found_by_their_own_names() -> None:
    settings = build(SimulateStage, reference="a.pdb", modes="7,9", snr=1, count=3, cutoff=10)
    assert settings.reference.reference == Path("a.pdb")
    assert settings.reference.mode_numbers == (7, 9)
    assert settings.reference.molecule.network.cutoff == 10.0
    assert settings.image.snr == 1.0
    assert settings.count == 3


def test_a_mapping_tells_apart_options_of_the_same_name() -> None:
    settings = build(RefineStage, particles="p", estimates="e", reference="r", starts=3, search={"starts": 5})
    assert settings.refinement.starts == 3
    assert settings.search.starts == 5


def test_hyphens_and_numbers_written_as_text_are_understood() -> None:
    settings = build(SimulateStage, reference="r", **{"box-size": 32, "amplitude-scale": "2e2"})
    assert settings.image.box_size == 32
    assert settings.conformation.amplitude_scale == 200.0


def test_a_single_value_becomes_a_tuple() -> None:
    assert build(ReportStage, stages="a").stages == (Path("a"),)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"particles": "p", "reference": "r", "modez": "7"}, "no option modez.*did you mean modes"),
        ({"reference": "r"}, "lacks the option particles"),
        ({"particles": "p", "reference": "r", "starts": 1.5}, "starts must be of kind int, but 1.5"),
        ({"particles": "p", "reference": "r", "starts": True}, "starts must be of kind int"),
        ({"particles": "p", "reference": "r", "sites": "beads"}, "sites must be one of heavy, all, ca, ca-p"),
        ({"particles": "p", "reference": "r", "modes": "0-9"}, "numbered from 1"),
        ({"particles": "p", "reference": "r", "workers": -1}, "--workers must be 0 or more, but -1"),
    ],
)
def test_a_mistake_is_named(options: dict[str, object], message: str) -> None:
    with pytest.raises(InputError, match=message):
        build(EstimateStage, **options)


def test_all_fixed_option_names_exist() -> None:
    wanted = {"reference", "particles", "modes", "sites", "cutoff", "n_modes", "seed", "device", "workers"}
    assert wanted <= set(list_options(EstimateStage))
