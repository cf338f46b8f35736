from dataclasses import replace
from pathlib import Path

import pytest

from deephemnma.core.error import InputError
from deephemnma.core.residue import name_residue
from deephemnma.io.reference import write_reference
from deephemnma.modes.choice import Proposal
from deephemnma.pipeline.localized import warn_of_localized
from deephemnma.pipeline.note import collect_notes, note
from deephemnma.pipeline.progress import listen_to_announcements
from deephemnma.pipeline.proposal import PROPOSAL_FILE, format_numbers, read_proposal, write_proposal
from deephemnma.pipeline.reference import MODES_FILE, load_reference, read_or_compute_modes
from deephemnma.settings.molecule import MoleculeOptions
from deephemnma.settings.network import NetworkOptions
from deephemnma.settings.stage.reference import ReferenceOptions
from deephemnma.settings.structure import StructureOptions

BEADS = MoleculeOptions(structure=StructureOptions(sites="ca"), network=NetworkOptions(cutoff=15.0))


def test_auto_goes_by_the_rule_and_says_so(adenylate_kinase_path: Path) -> None:
    sentences: list[str] = []
    with collect_notes() as notes, listen_to_announcements(sentences.append):
        reference = load_reference(ReferenceOptions(adenylate_kinase_path, modes="auto", molecule=BEADS))
    assert reference.modes.numbers == (7, 8, 9)  # the paper's
    assert notes == {"force field": "uniform", "cutoff (A)": 15.0, "modes (auto)": "7-9"}
    assert "--modes auto takes 7-9" in sentences[0]


def test_auto_takes_what_lies_with_the_modes(adenylate_kinase_path: Path, tmp_path: Path) -> None:
    computed = read_or_compute_modes(adenylate_kinase_path, BEADS)
    write_reference(tmp_path / MODES_FILE, computed.model, computed.modes)
    assert load_reference(ReferenceOptions(tmp_path, modes="auto")).modes.numbers == (7, 8, 9)
    write_proposal(tmp_path / PROPOSAL_FILE, Proposal((8, 11, 14), 0.5, "so I say", {9: "localized"}))
    for path in (tmp_path, tmp_path / MODES_FILE):
        assert load_reference(ReferenceOptions(path, modes="auto")).modes.numbers == (8, 11, 14)
    assert load_reference(ReferenceOptions(tmp_path, modes="7")).modes.numbers == (7,)


def test_auto_refuses_where_none_is_proposed(adenylate_kinase_path: Path, tmp_path: Path) -> None:
    computed = read_or_compute_modes(adenylate_kinase_path, BEADS)
    write_reference(tmp_path / MODES_FILE, computed.model, computed.modes)
    write_proposal(tmp_path / PROPOSAL_FILE, Proposal((), 0.0, "all are localized"))
    with pytest.raises(InputError, match="all are localized"):
        load_reference(ReferenceOptions(tmp_path, modes="auto"))


def test_loose_ends_are_warned_of(adenylate_kinase_path: Path) -> None:
    reference = read_or_compute_modes(adenylate_kinase_path, BEADS)
    with collect_notes() as notes:
        warn_of_localized(reference.modes, reference.sites)
    assert notes == {}
    loose = reference.modes.vectors.clone()
    loose[6:] *= 1e-3
    loose[6:, 12] = 1
    with collect_notes() as notes:
        warn_of_localized(replace(reference.modes, vectors=loose), reference.sites)
    assert notes["warning"].startswith("14 of 14 modes are localized")
    assert name_residue(reference.sites, 12) in notes["warning"]


def test_a_proposal_comes_back(tmp_path: Path) -> None:
    proposal = Proposal((8, 11, 14), 0.5, "so I say", {9: "localized"})
    write_proposal(tmp_path / PROPOSAL_FILE, proposal)
    assert read_proposal(tmp_path / PROPOSAL_FILE) == proposal
    (tmp_path / PROPOSAL_FILE).write_text('{"modes": "all"}')
    with pytest.raises(InputError, match=r"proposal\.json holds no proposal"):
        read_proposal(tmp_path / PROPOSAL_FILE)


@pytest.mark.parametrize(
    ("numbers", "text"), [((7, 8, 9, 11), "7-9,11"), ((7, 8, 11), "7,8,11"), ((7,), "7"), ((), "")]
)
def test_numbers_are_written_as_they_are_typed(numbers: tuple[int, ...], text: str) -> None:
    assert format_numbers(numbers) == text


def test_notes_outside_of_a_stage_are_lost() -> None:
    note("anything", 1)
    with collect_notes() as notes:
        assert notes == {}
