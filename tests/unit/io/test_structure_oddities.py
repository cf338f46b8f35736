"""What programs make of PDB and mmCIF."""

import gzip

import pytest
import torch
from structure_text import make_mmcif, make_pdb_line, write_text

from deephemnma.core.error import InputError
from deephemnma.core.residue import number_residues
from deephemnma.io.structure import read_models, read_structure
from deephemnma.io.structure_writer import write_models

ONE = make_pdb_line()
OTHER = make_pdb_line(z=4.0)


@pytest.mark.parametrize(
    ("lines", "numbers"),
    [
        (["MODEL        1", ONE, "ENDMDL", "MODEL        2", OTHER, "ENDMDL", "END"], (1, 2)),
        (["MODEL        1", ONE, "MODEL        2", OTHER, "END"], (1, 2)),
        (["MODEL        1", ONE, "TER", "ENDMDL", "MODEL        1", OTHER, "ENDMDL"], (1, 2)),
        (["MODEL        5", ONE, "ENDMDL", "MODEL        7", OTHER, "ENDMDL", "END"], (5, 7)),
        (["MODEL        0", ONE, "ENDMDL", "MODEL        1", OTHER, "ENDMDL"], (0, 1)),
        (["MODEL    10000", ONE, "ENDMDL", "MODEL    10001", OTHER, "ENDMDL"], (10_000, 10_001)),
        (["MODEL 12345678901", ONE, "ENDMDL", "MODEL 12345678902", OTHER, "ENDMDL"], (1, 2)),
        ([ONE, "END", OTHER, "END"], (1, 2)),
        ([ONE, "ENDMDL", OTHER, "ENDMDL", "END"], (1, 2)),
        (["MODEL        1", "ENDMDL", "MODEL        2", ONE, "ENDMDL", "MODEL        3", OTHER], (2, 3)),
    ],
)
def test_models_end_as_programs_end_them(tmp_path, lines, numbers):
    path = write_text(tmp_path, lines)
    assert [float(model.positions[0, 2]) for model in read_models(path)] == [3, 4]
    assert float(read_structure(path).positions[0, 2]) == 3
    for number, z in zip(numbers, (3, 4), strict=True):
        atoms = read_structure(path, model=number)
        assert float(atoms.positions[0, 2]) == z
        assert atoms.counts.models == 2
    with pytest.raises(InputError, match=rf"--model 99 .* has 2 model\(s\): {numbers[0]}, {numbers[1]}\."):
        read_structure(path, model=99)


def test_models_of_mmcif_keep_their_numbers(tmp_path):
    rows = [{"pdbx_PDB_model_num": "2"}, {"pdbx_PDB_model_num": "5", "Cartn_z": "4.0"}]
    path = write_text(tmp_path, make_mmcif(*rows), "a.cif")
    assert [float(read_structure(path, model=number).positions[0, 2]) for number in (2, 5)] == [3, 4]


@pytest.mark.parametrize("newline", ["\n", "\r\n", "\r"])
@pytest.mark.parametrize("width", [54, 55, 60, 66, 72, 80])
def test_lines_may_end_early_and_in_any_way(tmp_path, newline, width):
    lines = ["REMARK é", ONE[:width], make_pdb_line(" CB ", z=4.5)[:width], "TER", "TER", "END   "]
    atoms = read_structure(write_text(tmp_path, lines, newline=newline))
    assert atoms.positions.tolist() == [[1, 2, 3], [1, 2, 4.5]]
    assert atoms.elements.tolist() == ["C", "C"]
    assert atoms.occupancies.tolist() == [1, 1]


def test_content_says_what_a_file_is(tmp_path):
    text = make_mmcif({})
    for name in ("a.pdb", "a.txt", "a"):
        assert read_structure(write_text(tmp_path, text, name)).chains.tolist() == ["H"]
    (tmp_path / "b.cif").write_bytes(gzip.compress(ONE.encode()))
    assert read_structure(tmp_path / "b.cif").chains.tolist() == ["A"]


@pytest.mark.parametrize(
    ("lines", "codes", "numbers"),
    [
        ([make_pdb_line(number=52), make_pdb_line(number=52, code="A", z=5)], ["", "A"], [52, 52]),
        ([make_pdb_line(number="A000", serial="A0000"), make_pdb_line(number="A001")], ["", ""], [10_000, 10_001]),
        ([make_pdb_line(serial="*****"), make_pdb_line(number=2, serial="*****")], ["", ""], [1, 2]),
        ([make_pdb_line(number=-3), make_pdb_line(number=0)], ["", ""], [-3, 0]),
        # numbers that did not fit into the columns
        ([make_pdb_line(number="****"), make_pdb_line(number="****", z=5)], ["", ""], [0, 0]),
        # chains without names, numbered alike
        ([make_pdb_line(chain=""), "TER", make_pdb_line(chain="", z=9)], ["", ""], [1, 1]),
    ],
)
def test_residues_are_told_apart(tmp_path, lines, codes, numbers):
    atoms = read_structure(write_text(tmp_path, lines))
    assert atoms.insertion_codes.tolist() == codes
    assert atoms.residue_numbers.tolist() == numbers
    assert number_residues(atoms).tolist() == [0, 1]


def test_atoms_keep_the_order_of_the_file(tmp_path):
    # gemmi gathers the atoms of a residue that comes again
    lines = [make_pdb_line(chain="", number=n, z=z) for n, z in ((1, 1), (2, 2), (1, 3), (2, 4))]
    rows = [{"auth_seq_id": n, "Cartn_z": z, "id": "1"} for n, z in (("1", "1"), ("2", "2"), ("1", "3"), ("2", "4"))]
    for path in (write_text(tmp_path, lines), write_text(tmp_path, make_mmcif(*rows), "a.cif")):
        atoms = read_structure(path)
        assert atoms.positions[:, 2].tolist() == [1, 2, 3, 4]
        assert number_residues(atoms).tolist() == [0, 1, 2, 3]


def test_more_than_99_999_atoms_keep_their_order(tmp_path):
    lines = [make_pdb_line(chain="", number=n % 10_000, x=n % 1000, z=n // 1000) for n in range(100_500)]
    atoms = read_structure(write_text(tmp_path, lines))
    assert (atoms.positions[:, 0] + 1000 * atoms.positions[:, 2]).equal(torch.arange(100_500.0, dtype=torch.float64))
    assert number_residues(atoms).max() == 100_499


@pytest.mark.parametrize(
    ("name", "residue", "element"),
    [
        (" CA ", "ALA", "C"),
        ("CA  ", "ALA", "C"),
        ("CA  ", "HSD", "C"),
        ("HG  ", "SER", "H"),
        ("HG11", "VAL", "H"),
        ("1HG2", "VAL", "H"),
        ("SE  ", "MSE", "Se"),
        (" P  ", " DA", "P"),
        ("CA  ", " CA", "Ca"),
        ("NA  ", " NA", "Na"),
        ("FE  ", "HEM", "Fe"),
        (" NA ", "HEM", "N"),
        (" O  ", "HOH", "O"),
    ],
)
def test_elements_come_from_names_where_their_column_is_empty(tmp_path, name, residue, element):
    assert read_structure(write_text(tmp_path, make_pdb_line(name, residue, element=""))).elements.tolist() == [element]


@pytest.mark.parametrize(
    ("name", "residue", "element"),
    [("CA", "ALA", "C"), ("O5'", "DA", "O"), ("MG", "MG", "Mg"), ("FE", "HEM", None), ("O1A", "HEM", "O")],
)
def test_elements_of_mmcif_come_from_names_where_these_tell(tmp_path, name, residue, element):
    row = {"label_atom_id": name, "auth_atom_id": name, "label_comp_id": residue, "auth_comp_id": residue}
    for text in (make_mmcif(row, without=("type_symbol",)), make_mmcif({**row, "type_symbol": "?"})):
        path = write_text(tmp_path, text, "a.cif")
        if element is None:  # iron, or fluorine E?
            with pytest.raises(InputError, match="element of atom H/HEM 5/FE is not known"):
                read_structure(path)
        else:
            assert read_structure(path).elements.tolist() == [element]


def test_unknown_elements_are_refused_unless_left_out(tmp_path):
    path = write_text(tmp_path, [ONE, make_pdb_line(" Q1 ", "LIG", number=3, element="")])
    with pytest.raises(InputError, match=r"element of atom A/LIG 3/Q1 is not known .* --select 'not \(LIG\)'"):
        read_structure(path)
    assert read_structure(path, select="not (LIG)").atom_names.tolist() == ["CA"]


@pytest.mark.parametrize("x", ["********", "", "1,000", "1 000", "nan", "inf", "1e30", "x"])
def test_atoms_without_a_place_are_refused(tmp_path, x):
    with pytest.raises(InputError, match=r"coordinates|no place"):
        read_structure(write_text(tmp_path, [ONE, make_pdb_line(" CB ", x=f"{x:>8}")]))


@pytest.mark.parametrize("x", ["?", ".", "abc"])
def test_atoms_of_mmcif_without_a_place_are_refused(tmp_path, x):
    with pytest.raises(InputError, match="H/ALA 5/CA is at"):
        read_structure(write_text(tmp_path, make_mmcif({"Cartn_x": x}), "a.cif"))


@pytest.mark.parametrize("kind", ["label", "auth"])
def test_mmcif_with_one_kind_of_names_is_read(tmp_path, kind):
    other = {"label": "auth", "auth": "label"}[kind]
    without = tuple(f"{other}_{name}_id" for name in ("asym", "seq", "comp", "atom", "alt", "entity"))
    atoms = read_structure(write_text(tmp_path, make_mmcif({}, {"Cartn_z": "9"}, without=without), "a.cif"))
    assert atoms.chains.tolist() == [{"label": "A", "auth": "H"}[kind]] * 2
    assert atoms.residue_numbers.tolist() == [{"label": 7, "auth": 5}[kind]] * 2
    assert atoms.positions[:, 2].tolist() == [3, 9]


def test_mmcif_may_say_no_more_than_names_and_places(tmp_path):
    without = ("group_PDB", "id", "occupancy", "B_iso_or_equiv", "pdbx_PDB_model_num", "pdbx_PDB_ins_code")
    atoms = read_structure(write_text(tmp_path, make_mmcif({}, without=without), "a.cif"))
    assert (atoms.occupancies.tolist(), atoms.b_factors.tolist(), atoms.positions.tolist()) == ([1], [0], [[1, 2, 3]])
    for column, message in (
        ("Cartn_y", "no column _atom_site.Cartn_y"),
        ("atom_id", "neither a column _atom_site.label_a"),
    ):
        lost = (column, f"label_{column}", f"auth_{column}")
        with pytest.raises(InputError, match=message):
            read_structure(write_text(tmp_path, make_mmcif({}, without=lost), "a.cif"))


def test_chains_of_mmcif_may_have_long_names(tmp_path):
    path = write_text(tmp_path, make_mmcif({"auth_asym_id": "heavy_chain_of_molecule_1"}), "a.cif")
    assert read_structure(path).chains.tolist() == ["heavy_chain_of_molecule_1"]
    with pytest.raises(InputError, match="names that are too long"):
        read_structure(write_text(tmp_path, make_mmcif({"label_comp_id": "X" * 9, "auth_comp_id": "X" * 9}), "a.cif"))


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "no atoms"),
        (b"\0\1\2", "no atoms"),
        (b"<html>not found</html>", "no atoms"),
        (b"REMARK\nEND\n", "no atoms"),
        (b"data_x\nloop_\n_rlnImageName #1\n1\n", "no table of atoms"),
        (b"data_x\nloop_\n_atom_site.id\n_atom_site.type_symbol\n1\n", "cannot be read"),
        (b"\x1f\x8b\x08\x00nonsense", "damaged gzip"),
        (gzip.compress(ONE.encode())[:-12], "damaged gzip"),
        (b"BZh91AY", "packed by bzip2"),
        (b"\xfd7zXZ\x00", "packed by xz"),
    ],
)
def test_files_that_are_no_structures_are_told(tmp_path, content, message):
    (tmp_path / "a.pdb").write_bytes(content)
    with pytest.raises(InputError, match=rf"a\.pdb.* {message}"):
        read_structure(tmp_path / "a.pdb")


@pytest.mark.parametrize("name", ["a.cif", "a.pdb"])
def test_what_is_odd_comes_back_in_order(tmp_path, name):
    # modes.npz and sites.cif go by the same order
    residues = [("", 1, ""), ("", 1, "A"), ("", 2, ""), ("", 1, ""), ("", 1, "A"), ("B", 1, ""), ("", 10_001, "")]
    lines = [
        make_pdb_line(atom, chain=chain, number=n if n < 10_000 else "A001", code=code, z=z, element=atom.strip()[0])
        for z, (chain, n, code) in enumerate(residues)
        for atom in (" N  ", " CA ")
    ]
    atoms = read_structure(write_text(tmp_path, lines))
    write_models(tmp_path / name, atoms, atoms.positions[None])
    back = read_structure(tmp_path / name)
    assert torch.equal(back.positions, atoms.positions)
    for field in ("chains", "residue_numbers", "insertion_codes", "residue_names", "atom_names", "elements"):
        assert (getattr(back, field) == getattr(atoms, field)).all()


def test_repeated_atoms_count_once_and_absent_ones_are_kept(tmp_path):
    lines = [ONE, ONE, OTHER, make_pdb_line(" CB ", occupancy=0)]
    atoms = read_structure(write_text(tmp_path, lines))
    assert atoms.positions[:, 2].tolist() == [3, 4, 3]
    assert atoms.occupancies.tolist() == [1, 1, 0]
    assert (atoms.counts.atoms, atoms.counts.duplicates) == (4, 1)


@pytest.mark.parametrize(
    ("lines", "wanted"),
    [
        # a point mutation: all of the likelier residue, nothing of the other
        (
            [("SER", "CA", "A", 0.4), ("SER", "OG", "A", 0.4), ("THR", "CA", "B", 0.6), ("THR", "CG2", "B", 0.6)],
            ["THR/CA/B", "THR/CG2/B"],
        ),
        # an atom that only the less likely conformation has would be a mixture
        ([("LYS", "CB", "A", 0.6), ("LYS", "CB", "B", 0.4), ("LYS", "CG", "B", 0.4)], ["LYS/CB/A"]),
        # the first of equals, with what both share
        ([("LYS", "N", "", 1), ("LYS", "CA", "A", 0.5), ("LYS", "CA", "B", 0.5)], ["LYS/N/", "LYS/CA/A"]),
        # two parts of a residue in disorder of their own
        (
            [("LIG", "C1", "A", 0.3), ("LIG", "C1", "B", 0.7), ("LIG", "C9", "C", 0.6), ("LIG", "C9", "D", 0.4)],
            ["LIG/C1/B", "LIG/C9/C"],
        ),
        # no label for the first conformation, as in old files
        ([("LYS", "CA", "", 0.4), ("LYS", "CA", "B", 0.6)], ["LYS/CA/"]),
    ],
)
def test_one_conformation_of_a_residue_is_read(tmp_path, lines, wanted):
    path = write_text(
        tmp_path,
        [make_pdb_line(f" {name:3}", residue, alternate=label, occupancy=share, z=ord(label or " "))
         for residue, name, label, share in lines],
    )  # fmt: skip
    atoms = read_structure(path)
    labels = [chr(int(z)).strip() for z in atoms.positions[:, 2]]
    columns = atoms.residue_names.tolist(), atoms.atom_names.tolist(), labels
    assert ["/".join(atom) for atom in zip(*columns, strict=True)] == wanted
    assert atoms.counts.alternates == len(lines) - len(wanted)


def test_conformations_of_residues_numbered_alike_stay_apart(tmp_path):
    # two copies of a chain, without names: only the first has conformations; its second one stands at the end
    first = [make_pdb_line(" CA ", chain=""), make_pdb_line(" CB ", chain="", alternate="A", occupancy=0.6)]
    second = [make_pdb_line(name, chain="", z=9) for name in (" CA ", " CB ")]
    between = [make_pdb_line(chain="", number=2, z=5)]
    moved = [make_pdb_line(" CB ", chain="", alternate="B", occupancy=0.4, z=4)]
    for lines in ([*first, *moved, *between, *second], [*first, *between, *moved, "TER", *between, *second]):
        atoms = read_structure(write_text(tmp_path, lines))
        kept = [z for z, name in zip(atoms.positions[:, 2].tolist(), atoms.atom_names, strict=True) if name == "CB"]
        assert kept == [3, 9]
        assert atoms.counts.alternates == 1


@pytest.mark.parametrize(("name", "words"), [("a.mrcs", "an image stack"), ("a.map", "a density map")])
def test_images_and_maps_are_called_so(tmp_path, name, words):
    (tmp_path / name).write_bytes(bytes(2000))
    with pytest.raises(InputError, match=words):
        read_structure(tmp_path / name)
