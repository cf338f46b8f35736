import numpy as np

from deephemnma.modes.piece import describe_pieces

NAMES = (
    *(f"A/ALA {number}/{atom}" for number in range(1, 31) for atom in ("N", "CA")),
    *(f"B/LYS {number}/CA" for number in range(5, 9)),
    *(f"C/GLY {number}/CA" for number in range(1, 4)),
    "A/ZN 301/ZN",
)


def test_pieces_are_named_by_chain_and_range_the_largest_first() -> None:
    pieces = np.array([2] * 60 + [0] * 7 + [1])
    told = describe_pieces(pieces, NAMES)
    assert told == "chain B, LYS 5 to LYS 8 and chain C, GLY 1 to GLY 3 (7 sites); A/ZN 301 (1 site)"


def test_sites_without_names_are_numbered() -> None:
    assert describe_pieces(np.array([0, 0, 0, 1, 1]), None) == "site 4 to site 5 (2 sites)"


def test_many_pieces_and_many_chains_are_counted() -> None:
    assert describe_pieces(np.array([0, *range(20)]), None).endswith("site 7 (1 site); and 14 more (14 sites)")
    names = [f"{chain}/ALA 1/CA" for chain in "ABCDEFGHIJKLMN"]
    pieces = np.array([0] * 8 + [1] * 6)
    assert describe_pieces(pieces, names) == "chains I, J, K, L, M and 1 more (6 sites)"
