"""Broken .cs files."""

import json
import pickle
from collections.abc import Callable
from pathlib import Path

import numpy as np
from corpus_case import BOX_SIZE, COUNT, DEFOCI, PIXEL_SIZE, Build, Case, check, write_bytes, write_stack

FIELDS = [
    ("uid", "<u8"), ("blob/path", "S20"), ("blob/idx", "<u4"), ("blob/shape", "<u4", (2,)), ("blob/psize_A", "<f4"),
    ("blob/sign", "<f4"), ("ctf/accel_kv", "<f4"), ("ctf/cs_mm", "<f4"), ("ctf/amp_contrast", "<f4"),
    ("ctf/df1_A", "<f4"), ("ctf/df2_A", "<f4"), ("ctf/df_angle_rad", "<f4"), ("ctf/phase_shift_rad", "<f4"),
    ("alignments3D/pose", "<f4", (3,)), ("alignments3D/shift", "<f4", (2,)), ("alignments3D/psize_A", "<f4"),
]  # fmt: skip


def make_table() -> np.ndarray:
    """Return sound particles."""
    table = np.zeros(COUNT, dtype=FIELDS)
    table["uid"] = np.arange(COUNT) + 2**60
    table["blob/path"], table["blob/idx"] = b">s.mrcs", np.arange(COUNT)
    table["blob/shape"], table["blob/psize_A"], table["blob/sign"] = BOX_SIZE, PIXEL_SIZE, 1
    table["ctf/accel_kv"], table["ctf/cs_mm"], table["ctf/amp_contrast"] = 300, 2.7, 0.1
    table["ctf/df1_A"], table["ctf/df2_A"] = DEFOCI, np.array(DEFOCI) - 1000
    table["alignments3D/pose"], table["alignments3D/psize_A"] = 0.5, PIXEL_SIZE
    return table


def set_field(name: str, values: object, *, row: int = 2) -> Callable[[np.ndarray], np.ndarray]:
    def change(table: np.ndarray) -> np.ndarray:
        table[name][row] = values
        return table

    return change


def retype(name: str, kind: object, values: object = None) -> Callable[[np.ndarray], np.ndarray]:
    """Give a field another type, or None to leave it out."""

    def change(table: np.ndarray) -> np.ndarray:
        kinds = [(each, kind if each == name else table.dtype[each]) for each in table.dtype.names]
        new = np.zeros(len(table), dtype=[each for each in kinds if each[1] is not None])
        for each in set(new.dtype.names) - {name}:
            new[each] = table[each]
        if values is not None:
            new[name] = values
        return new

    return change


def particles(change: Callable[[np.ndarray], np.ndarray], *options: str, allow_pickle: bool = False) -> Build:
    def build(folder: Path) -> list[str]:
        write_stack(folder / "s.mrcs")
        with (folder / "a.cs").open("wb") as stream:
            np.save(stream, change(make_table()), allow_pickle=allow_pickle)
        return check(folder / "a.cs", *options)

    return build


def content(make: Callable[[Path], bytes]) -> Build:
    return lambda folder: check(write_bytes(folder / "a.cs", make(folder)))


def with_passthrough(change: Callable[[np.ndarray], np.ndarray], *, named: bool = True) -> Build:
    """Leave the poses to a passthrough file."""

    def build(folder: Path) -> list[str]:
        write_stack(folder / "s.mrcs")
        table = make_table()
        poses = [name for name in table.dtype.names if name.startswith("alignments3D")]
        for name in poses:
            table = retype(name, None)(table)
        path, other = folder / "J7_particles.cs", folder / "J7_passthrough_particles.cs"
        for each, rows in ((path, table), (other, change(make_table()[["uid", *poses]].copy()))):
            with each.open("wb") as stream:
                np.save(stream, rows)
        return check(path, *(["--passthrough", str(other)] if named else []))

    return build


class Evil:
    """Would make a file when it is unpickled."""

    def __init__(self, folder: Path) -> None:
        self.path = folder / "ran"

    def __reduce__(self) -> tuple:
        return (Path.touch, (self.path,))


def make_evil_table(folder: Path) -> np.ndarray:
    table = np.empty(COUNT, dtype=[("uid", "<u8"), ("blob/path", "O")])
    table["blob/path"] = Evil(folder)
    return table


def save(array: np.ndarray, folder: Path, *, allow_pickle: bool = False) -> bytes:
    np.save(folder / "x.npy", array, allow_pickle=allow_pickle)
    return (folder / "x.npy").read_bytes()


def lie(rows: int) -> Callable[[Path], bytes]:
    return lambda folder: save(make_table(), folder).replace(b"(4,), }", f"({rows},), }}".encode())


def save_zipped(folder: Path) -> bytes:
    np.savez(folder / "x.npz", a=make_table())
    return (folder / "x.npz").read_bytes()


def compress(spoil: Callable[[bytes], bytes]) -> Callable[[Path], bytes]:
    """Spoil a table in cryoSPARC's own format, whose library crashes on some of these."""
    fields = [["uid", "<u8"], ["blob/idx", "<u4"]]
    head = json.dumps({"length": 2, "dtype": fields, "compression": "lz4", "compressed_fields": ["blob/idx"]}).encode()
    packed = b"\x80" + np.arange(2, dtype="<u4").tobytes()  # LZ4: eight bytes as they are
    content = b"\x95CSDAT" + len(head).to_bytes(4, "little") + head + (16).to_bytes(4, "little")
    content += np.arange(2, dtype="<u8").tobytes() + len(packed).to_bytes(4, "little") + packed
    return lambda _: spoil(content)


FILES = [
    Case("empty", content(lambda _: b""), r"a\.cs is empty"),
    Case("text", content(lambda _: b"data_\nloop_\n_rlnImageName\n"), r"a\.cs cannot be read as a \.cs .*text"),
    Case("pickled", content(lambda _: pickle.dumps([1, 2])), r"a\.cs cannot be read as a \.cs .*never loaded"),
    Case("a pickle that runs a program", content(lambda folder: pickle.dumps(Evil(folder))), r"a\.cs cannot .*never l"),
    Case("objects that run a program", content(lambda folder: save(make_evil_table(folder), folder, allow_pickle=True)),
         r"a\.cs cannot be read as a \.cs .*Python objects .*never loaded"),
    Case("an archive of arrays", content(save_zipped), r"a\.cs .*(zip|\.npz)"),
    Case("a plain array", content(lambda folder: save(np.zeros((3, 2)), folder)), r"a\.cs is not a table of cryoSPARC"),
    Case("a plain list", content(lambda folder: save(np.zeros(3), folder)), r"a\.cs is not a table of cryoSPARC"),
    Case("a table of two dimensions", content(lambda folder: save(make_table().reshape(2, 2), folder)), r"a\.cs is no"),
    Case("cut in the head", content(lambda folder: save(make_table(), folder)[:60]), r"a\.cs cannot .*damaged"),
    Case("cut in the rows", content(lambda folder: save(make_table(), folder)[:-9]), r"a\.cs cannot .*damaged"),
    Case("5 rows promised of 4", content(lie(5)), r"a\.cs cannot .*damaged"),
    Case("rows below 0", content(lie(-1)), r"a\.cs cannot .*damaged"),
    Case("a damaged head", content(lambda folder: save(make_table(), folder).replace(b"'descr'", b"'desXX'")), r"dama"),
    Case("an unknown version", content(lambda folder: b"\x93NUMPY\x09" + save(make_table(), folder)[7:]), r"damaged"),
    Case("compressed, without images", content(compress(lambda c: c)), r"a\.cs has no field blob/path"),
    Case("compressed, no header", content(lambda _: b"\x94CSDAT" + bytes(range(256)) * 8), r"a\.cs .*damaged \(its he"),
    Case("compressed, cut in the header", content(compress(lambda c: c[:50])), r"a\.cs .*damaged \(its header\)"),
    Case("compressed, cut in a field", content(compress(lambda c: c[:-6])), r"a\.cs cannot be read .*damaged"),
    Case("compressed, cut before a field", content(compress(lambda c: c[:-13])), r"a\.cs cannot be read .*damaged"),
    Case("compressed, broken packing", content(compress(lambda c: c[:-9] + b"\xff" * 9)), r"a\.cs cannot be .*damaged"),
    Case("compressed, a lying header", content(compress(lambda c: c.replace(b": 2, ", b":2e9,"))),
         r"a\.cs .*promises 2,000"),
    Case("a header of too many brackets", content(lambda folder: save(make_table(), folder).replace(
         b"'<u8'), (", b"'<u8'), " + b"(" * 200)), r"a\.cs cannot .*damaged"),
    Case("a Git LFS pointer", content(lambda _: b"version https://git-lfs.github.com/spec/v1\noid sha256:4\nsize 9\n"),
         r"a\.cs .*Git LFS pointer.*git lfs pull"),
    Case("a web page", content(lambda _: b"<html><body>404</body></html>"), r"a\.cs .*web page"),
]  # fmt: skip
ROWS = [
    Case("no rows", particles(lambda table: table[:0]), r"a\.cs holds no particles"),
    Case("no blob", particles(lambda table: table[["uid", "ctf/df1_A"]].copy()), r"a\.cs has no field blob/path"),
    Case("no number in the stack", particles(retype("blob/idx", None)), r"a\.cs has no field blob/idx"),
    Case("no pixel size", particles(retype("blob/psize_A", None)), r"a\.cs has no field blob/psize_A"),
    Case("names that are numbers", particles(retype("blob/path", "<f4")), r"a\.cs: the field blob/path .*wanted text"),
    Case("image numbers of text", particles(retype("blob/idx", "S3", b"x")), r"a\.cs: the field blob/idx .*whole numb"),
    Case("broken image numbers", particles(retype("blob/idx", "<f4", 0.5)), r"a\.cs: the field blob/idx .*whole numbe"),
    Case("image 9 of 4", particles(set_field("blob/idx", 9)), r"a\.cs, particle 3: '000010@s.mrcs' is not in its stac"),
    Case("image -2", particles(retype("blob/idx", "<i4", [0, 1, -2, 3])), r"a\.cs, particle 3: .*blob/idx.* -2"),
    Case("no name", particles(set_field("blob/path", b"")), r"a\.cs, particle 3: .*000003@'?, wanted"),
    Case("a name with NUL", particles(set_field("blob/path", b"s\0.mrcs")), r"1 of the 2 stacks .*a\.cs"),
    Case("a stack that is not there", particles(set_field("blob/path", b">t.mrcs")), r"1 of the 2 stacks .*t\.mrcs"),
    Case("an image twice", particles(set_field("blob/idx", 0)), r"a\.cs: particles 1 .* and 3 .* are one image"),
    Case("shapes of one number", particles(retype("blob/shape", "<u4")), r"a\.cs: the field blob/shape .*2 numbers"),
    Case("shapes of text", particles(retype("blob/shape", "S4", b"8")), r"a\.cs: the field blob/shape .*2 numbers"),
    Case("another box", particles(set_field("blob/shape", 16)), r"a\.cs, particle 3: images have 16 pixels"),
    Case("pixel size 0", particles(set_field("blob/psize_A", 0)), r"a\.cs, particle 3: the pixel size is 0 A"),
    Case("pixel size nan", particles(set_field("blob/psize_A", np.nan)), r"a\.cs, particle 3: rlnImagePixelSize is na"),
    Case("pixel sizes of text", particles(retype("blob/psize_A", "S4", b"1.3")), r"a\.cs: the field blob/psize_A .*nu"),
    Case("volts", particles(set_field("ctf/accel_kv", 300_000)), r"a\.cs, particle 3: rlnVoltage is 300000, .*kV"),
    Case("amplitude contrast 10", particles(set_field("ctf/amp_contrast", 10)), r"a\.cs, particle 3: .*Contrast is 10"),
    Case("defocus nan", particles(set_field("ctf/df1_A", np.nan)), r"a\.cs, particle 3: rlnDefocusU is nan"),
    Case("defocus infinite", particles(set_field("ctf/df2_A", np.inf)), r"a\.cs, particle 3: rlnDefocusV is inf"),
    Case("defoci of text", particles(retype("ctf/df1_A", "S9", b"12001")), r"a\.cs: the field ctf/df1_A .*wanted a nu"),
    Case("defoci in pairs", particles(retype("ctf/df1_A", ("<f4", (2,)))), r"a\.cs: the field ctf/df1_A .*wanted a nu"),
    Case("a sign of 3", particles(set_field("blob/sign", 3)), r"a\.cs, particle 3: blob/sign is 3, wanted 1 or -1"),
    Case("signs of text", particles(retype("blob/sign", "S2", b"-1")), r"a\.cs: the field blob/sign .*wanted a number"),
    Case("poses nan", particles(set_field("alignments3D/pose", np.nan)), r"a\.cs, particle 3: pose or shift is not a"),
    Case("poses of 4 numbers", particles(retype("alignments3D/pose", ("<f4", (4,)))), r"alignments3D/pose .*3 numbers"),
    Case("poses of text", particles(retype("alignments3D/pose", "S9")), r"a\.cs: the field alignments3D/pose .*3 numb"),
    Case("shifts of 3 numbers", particles(retype("alignments3D/shift", ("<f4", (3,)))), r"alignments3D/shift .*2 num"),
    Case("shifts nan", particles(set_field("alignments3D/shift", np.nan)), r"a\.cs, particle 3: pose or shift is not"),
    Case("uids of text", particles(retype("uid", "S4", b"x")), r"a\.cs: the field uid .*whole number"),
    Case("a uid twice", with_passthrough(set_field("uid", 2**60)), r"J7_passthrough_particles\.cs has a uid more than"),
    Case("a passthrough without uid", with_passthrough(retype("uid", None)), r"J7_passthrough_particles\.cs has no fi"),
    Case("a passthrough found without uid", with_passthrough(retype("uid", None), named=False), r"J7_pass.*no field u"),
    Case("a passthrough of others", with_passthrough(set_field("uid", 5)), r"J7_passthrough.* no row of particle 3 of"),
    Case("a passthrough without rows", with_passthrough(lambda table: table[:0]), r"J7_passthrough.*no row of particl"),
]  # fmt: skip
CASES = [*FILES, *ROWS]
