"""Whatever stands in a file: it is read as an atomic model, or refused in a sentence."""

import importlib.resources
from pathlib import Path

import gemmi
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from deephemnma.core.error import InputError
from deephemnma.core.residue import describe_structure, number_residues
from deephemnma.core.structure import AtomicModel
from deephemnma.io.structure import read_models, read_structure

PDB = (Path(str(importlib.resources.files("deephemnma"))) / "data" / "4ake_chain_a.pdb").read_text().splitlines()[:40]
FULL = gemmi.read_pdb_string("\n".join(PDB))
FULL.setup_entities()
CIF = FULL.make_mmcif_document().as_string().splitlines()
relaxed = settings(
    deadline=None, max_examples=150, derandomize=True, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
records = st.sampled_from(["TER", "END", "ENDMDL", "MODEL", "MODEL        1", "MODEL        2", "", "HETATM", "ANISOU"])


@st.composite
def _mangle(draw: st.DrawFn, lines: list[str]) -> bytes:
    """Replace, repeat, drop, cut lines and overwrite columns."""
    lines = list(lines)
    for _ in range(draw(st.integers(1, 6))):
        row = draw(st.integers(0, len(lines) - 1))
        line = lines[row]
        column = draw(st.integers(0, max(len(line), 1)))
        patch = draw(st.text(st.characters(codec="latin-1"), max_size=9))
        lines[row] = draw(
            st.sampled_from([
                line[:column] + patch + line[column + len(patch) :],
                line[:column] + patch + line[column:],
                line[:column],
                patch,
                line + "\n" + line,
                draw(records),
            ])
        )  # fmt: skip
    newline = draw(st.sampled_from(["\n", "\r\n", "\r"]))
    return newline.join(lines).encode("latin-1")


def _read(folder: Path, content: bytes) -> None:
    path = folder / "mangled.txt"
    path.write_bytes(content)
    for read in (lambda: [read_structure(path)], lambda: read_models(path)):
        try:
            models = read()
        except InputError:
            continue
        for atoms in models:
            assert isinstance(atoms, AtomicModel)
            assert atoms.positions.shape == (len(atoms.elements), 3)
            assert bool(atoms.positions.isfinite().all())
            assert number_residues(atoms).max() < len(atoms.elements)
            assert describe_structure(atoms)


@relaxed
@given(content=_mangle(PDB))
def test_mangled_pdb_is_read_or_refused(tmp_path: Path, content: bytes) -> None:
    _read(tmp_path, content)


@relaxed
@given(content=_mangle(CIF))
def test_mangled_mmcif_is_read_or_refused(tmp_path: Path, content: bytes) -> None:
    _read(tmp_path, content)


@relaxed
@given(content=st.binary(max_size=300))
def test_bytes_are_refused(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "bytes").write_bytes(content)
    with pytest.raises(InputError):
        read_structure(tmp_path / "bytes")


@relaxed
@given(selection=st.text(st.sampled_from("/AB,-0123.()[]!;*:CAN not"), max_size=20))
def test_any_selection_takes_atoms_or_is_refused(tmp_path: Path, selection: str) -> None:
    path = tmp_path / "a.pdb"
    path.write_text("\n".join(PDB))
    try:
        atoms = read_structure(path, select=selection)
    except InputError:
        return
    assert 0 < len(atoms.elements) == atoms.counts.atoms - atoms.counts.unselected
