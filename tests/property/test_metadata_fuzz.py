"""Whatever stands in a table of particles or an image stack: it is read, or refused in a sentence."""

import re
import string
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import mrcfile
import numpy as np
import pandas as pd
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from deephemnma.core.error import InputError
from deephemnma.io.metadata.cryosparc_table import read_cryosparc_table, write_cryosparc_table
from deephemnma.io.metadata.frealign import Microscope
from deephemnma.io.metadata.particle_tables import GROUP, IMAGE, ParticleTables
from deephemnma.io.metadata.reader import read_particle_tables
from deephemnma.io.metadata.relion import write_particle_star
from deephemnma.io.metadata.relion_column import extract_optics, extract_pixel_sizes, extract_poses, merge_optics
from deephemnma.io.metadata.star_text import read_star_blocks
from deephemnma.io.metadata.xmipp import read_hemnma_results
from deephemnma.io.metadata.xmipp_table import read_xmipp_table, write_xmipp_table
from deephemnma.io.particles import open_particle_sets
from deephemnma.io.stack.reader import read_images, read_stack_layout
from deephemnma.io.table import read_estimates

relaxed = settings(
    deadline=None, max_examples=100, derandomize=True, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
ROWS = (1, 2, 3)
STAR = (
    "# version 30001\n\ndata_optics\n\nloop_\n_rlnOpticsGroup #1\n_rlnVoltage #2\n_rlnSphericalAberration #3\n"
    "_rlnAmplitudeContrast #4\n_rlnImagePixelSize #5\n_rlnImageSize #6\n1 300.0 2.7 0.1 1.3 4\n\ndata_particles\n\n"
    "loop_\n_rlnImageName #1\n_rlnAngleRot #2\n_rlnAngleTilt #3\n_rlnAnglePsi #4\n_rlnOriginXAngst #5\n"
    "_rlnOriginYAngst #6\n_rlnDefocusU #7\n_rlnDefocusV #8\n_rlnDefocusAngle #9\n_rlnOpticsGroup #10\n"
    "_deephemnmaAmplitude7 #11\n_deephemnmaScore #12\n_deephemnmaStatus #13\n"
) + "".join(f"00000{n}@s.mrcs 1{n}.0 20.0 30.0 0.5 -0.5 12000.0 11000.0 45.0 1 2.5 -3.0 converged\n" for n in ROWS)
CISTEM = "data_\n\nloop_\n" + "".join(
    f"_cisTEM{name}\n"
    for name in ("PositionInStack", "AnglePsi", "AngleTheta", "AnglePhi", "XShift", "YShift", "Defocus1", "Defocus2",
                 "DefocusAngle", "ImageActivity", "PixelSize", "StackFilename")
) + "".join(f"{n} 30.0 20.0 1{n}.0 0.5 0.5 12000.0 11000.0 45.0 1 1.3 's.mrcs'\n" for n in ROWS)  # fmt: skip
PAR = "C      PSI   THETA\n" + "".join(
    f"{n:7d}{30:8.2f}{20:8.2f}{10:8.2f}{0.5:10.2f}{0.5:10.2f}{10000:8d}{1:6d}{12000:9.1f}{11000:9.1f}{45:8.2f}{100:8.2f}"
    f"{-5:10d}{0.5:11.4f}{20:8.2f}{0:8.2f}\n"
    for n in ROWS
)
XMD = "# XMIPP_STAR_1 *\n#\ndata_particles\nloop_\n" + "".join(
    f" _{name}\n"
    for name in ("image", "enabled", "angleRot", "angleTilt", "anglePsi", "shiftX", "shiftY", "flip", "ctfVoltage",
                 "ctfSphericalAberration", "ctfQ0", "ctfDefocusU", "ctfDefocusV", "ctfDefocusAngle", "samplingRate",
                 "nmaDisplacements")
) + "".join(
    f"00000{n}@s.mrcs 1 1{n}.0 20.0 30.0 0.4 -0.4 0 300.0 2.7 0.1 12000.0 11000.0 45.0 1.3 '10.0 -5.0'\n" for n in ROWS
)  # fmt: skip
TEXTS = {"a.star": STAR, "c.star": CISTEM, "a.par": PAR, "a.xmd": XMD}
TOKENS = (
    "nan", "inf", "-1", "0", "1e30", "1e400", "1_0", "''", "'", '"', "data_", "loop_", "_", "#", "_rlnImageName", "@",
    "1@", "@s.mrcs", "0@s.mrcs", "9999999999999@s.mrcs", "x" * 300, "٣", "\x00", "\ufeff", "\u00a0", "\u2028", "\x85",
    "\x1c", "²", "-0", "1.5", "<NA>", "None", "True", "\t", "/", "..", "[1,2]", "data_particles", "_cisTEMX", "$", ">",
)  # fmt: skip


@st.composite
def mangle_text(draw: st.DrawFn, text: str) -> bytes:
    """Delete, repeat, swap or replace lines, words and characters."""
    for _ in range(draw(st.integers(1, 4))):
        pieces = re.split(draw(st.sampled_from([r"(\n)", r"(\s+)", r"()"])), text)
        if len(pieces) < 2:
            break
        first, second = draw(st.integers(0, len(pieces) - 1)), draw(st.integers(0, len(pieces) - 1))
        action = draw(st.sampled_from(["delete", "repeat", "swap", "token", "text", "cut"]))
        if action == "swap":
            pieces[first], pieces[second] = pieces[second], pieces[first]
        elif action == "cut":
            pieces = pieces[: first + 1]
        else:
            old = pieces[first]
            pieces[first] = {
                "delete": "", "repeat": old + old, "token": draw(st.sampled_from(TOKENS)),
                "text": draw(st.text(max_size=8)),
            }[action]  # fmt: skip
        text = "".join(pieces)
    newline = draw(st.sampled_from(["\n", "\n", "\r\n", "\r"]))
    return text.replace("\n", newline).encode("utf-8", errors="replace")


@st.composite
def mangle_bytes(draw: st.DrawFn, content: bytes, *, first: int) -> bytes:
    """Replace, delete, repeat and cut bytes, most of them among the `first`."""
    content = bytearray(content)
    for _ in range(draw(st.integers(1, 5))):
        place = draw(st.integers(0, first - 1) | st.integers(0, max(len(content) - 1, 0)))
        piece = draw(st.binary(min_size=1, max_size=8) | st.sampled_from([b"\xff\xff\xff\x7f", bytes(4), b"\x80" * 4]))
        action = draw(st.sampled_from(["replace", "replace", "replace", "delete", "insert", "cut"]))
        if action == "replace":
            content[place : place + len(piece)] = piece
        elif action == "delete":
            del content[place : place + len(piece)]
        elif action == "insert":
            content[place:place] = piece
        else:
            del content[place:]
    return bytes(content)


def use_tables(tables: ParticleTables) -> None:
    """Go through all that a file's columns are read for."""
    source = str(tables.path)
    merged = merge_optics(tables)
    assert len(merged) == len(tables.names) > 0
    sizes = extract_pixel_sizes(merged, source=source)
    poses = extract_poses(merged, pixel_size=None if sizes is None else float(sizes[0]), source=source)
    assert poses is None or bool(poses.rotations.isfinite().all())
    extract_optics(merged, tables.optics, source=source)
    for each in open_particle_sets(tables):
        assert each.particles[each.rows.new_tensor([0])].shape[0] == 1


def read_anyhow(path: Path) -> None:
    """Read by every way in; only mistakes of the file may be told."""
    microscope = Microscope(path.with_name("s.mrcs"), 1.3, 300.0, 2.7, 0.1)
    ways: list[Callable[[], object]] = [
        lambda: use_tables(read_particle_tables(path, microscope=microscope)),
        lambda: use_tables(read_particle_tables(path)),
        lambda: read_estimates(path, mode_numbers=(7, 8), pixel_size=1.3),
        lambda: read_estimates(path),
        lambda: read_xmipp_table(path),
        lambda: read_hemnma_results(path, mode_numbers=(7, 8), pixel_size=1.3),
    ]  # fmt: skip
    for read in ways:
        with suppress(InputError):
            read()


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("fuzz")
    with mrcfile.new(folder / "s.mrcs") as mrc:
        mrc.set_data(np.arange(48, dtype=np.float32).reshape(3, 4, 4))
        mrc.set_image_stack()
        mrc.voxel_size = 1.3
    return folder


@pytest.fixture(scope="module")
def cs_bytes(folder) -> bytes:
    fields = [
        ("uid", "<u8"), ("blob/path", "S7"), ("blob/idx", "<u4"), ("blob/shape", "<u4", (2,)), ("blob/psize_A", "<f4"),
        ("blob/sign", "<f4"), ("ctf/accel_kv", "<f4"), ("ctf/cs_mm", "<f4"), ("ctf/amp_contrast", "<f4"),
        ("ctf/df1_A", "<f4"), ("ctf/df2_A", "<f4"), ("ctf/df_angle_rad", "<f4"), ("alignments3D/pose", "<f4", (3,)),
        ("alignments3D/shift", "<f4", (2,)),
    ]  # fmt: skip
    table = np.zeros(3, dtype=fields)
    table["uid"], table["blob/idx"], table["blob/path"] = [5, 6, 7], [0, 1, 2], b">s.mrcs"
    table["blob/shape"], table["blob/psize_A"], table["blob/sign"], table["ctf/accel_kv"] = 4, 1.3, 1, 300
    write_cryosparc_table(folder / "good.cs", table)
    return (folder / "good.cs").read_bytes()


def test_the_plain_files_are_read(folder, cs_bytes):
    microscope = Microscope(folder / "s.mrcs", 1.3, 300.0, 2.7, 0.1)
    for name, text in TEXTS.items():
        (folder / name).write_text(text)
        use_tables(read_particle_tables(folder / name, microscope=microscope))
    use_tables(read_particle_tables(folder / "good.cs"))


@pytest.mark.parametrize("name", list(TEXTS))
@relaxed
@given(data=st.data())
def test_mangled_text_is_read_or_refused(folder, name, data):
    (folder / name).write_bytes(data.draw(mangle_text(TEXTS[name])))
    read_anyhow(folder / name)


@relaxed
@given(content=st.binary(max_size=300) | st.text(max_size=200).map(lambda text: text.encode("utf-8", "replace")))
def test_anything_is_read_or_refused(folder, content):
    for name in ("x.star", "x.par", "x.xmd", "x.cs"):
        (folder / name).write_bytes(content)
        read_anyhow(folder / name)


@relaxed
@given(data=st.data())
def test_a_mangled_cs_is_read_or_refused(folder, cs_bytes, data):
    content = data.draw(mangle_bytes(cs_bytes, first=cs_bytes.index(b"\n") + 1))
    (folder / "m.cs").write_bytes(content)
    read_anyhow(folder / "m.cs")


@pytest.mark.parametrize("name", ["m.mrcs", "m.stk"])
@relaxed
@given(data=st.data())
def test_a_mangled_stack_is_read_or_refused(folder, name, data):
    content = (folder / "s.mrcs").read_bytes()
    if name == "m.stk":
        header = np.zeros(256, dtype="<f4")
        for place, value in ((1, 1), (2, 4), (5, 1), (12, 4), (13, 64), (22, 1024), (24, 2), (26, 3)):
            header[place - 1] = value
        content = header.tobytes() + (header.tobytes() + bytes(64)) * 3
    (folder / name).write_bytes(data.draw(mangle_bytes(content, first=112)))
    try:
        layout = read_stack_layout(folder / name)
    except InputError:
        return
    images = read_images([layout], np.zeros(1, dtype=int), np.array([layout.count - 1]))
    assert images.shape == (1, layout.box_size, layout.box_size)


# No blanks and quotes, which RELION's programs do not know, and nothing that begins a comment, a name or a table.
words = st.text(
    st.characters(codec="utf-8", categories=("L", "N", "P", "S"), exclude_characters="'\"#_$;"), min_size=1, max_size=12
).filter(lambda word: not word.startswith(("data_", "loop_")))
names = st.lists(st.text(string.ascii_letters, min_size=1, max_size=9), min_size=1, max_size=4, unique_by=str.lower)


@st.composite
def tables(draw: st.DrawFn, values: st.SearchStrategy[str], first: str) -> pd.DataFrame:
    columns = [first, *(f"x{name}" for name in draw(names))]
    count = draw(st.integers(1, 5))
    return pd.DataFrame({
        name: draw(st.lists(values, min_size=count, max_size=count)) for name in columns
    }, dtype="str")  # fmt: skip


@relaxed
@given(table=tables(words, IMAGE))
def test_a_star_file_comes_back_digit_by_digit(folder, table):
    table = table.assign(**{GROUP: "1"})
    optics = pd.DataFrame({GROUP: ["1"], "rlnVoltage": ["300.000"], "rlnName": [table[IMAGE][0]]}, dtype="str")
    write_particle_star(folder / "w.star", table=table, optics_table=optics)
    found = read_particle_tables(folder / "w.star")
    pd.testing.assert_frame_equal(found.particles, table, check_dtype=False)
    pd.testing.assert_frame_equal(found.optics, optics, check_dtype=False)
    assert read_star_blocks(folder / "w.star")["particles"].to_dict("list") == table.to_dict("list")


sentences = st.text(st.characters(codec="utf-8", categories=("L", "N", "P", "S", "Zs")), max_size=12).filter(
    lambda text: not ("'" in text and '"' in text)
)


@relaxed
@given(table=tables(sentences, "image"))
def test_metadata_of_xmipp_come_back_as_they_were(folder, table):
    write_xmipp_table(folder / "w.xmd", table)
    pd.testing.assert_frame_equal(read_xmipp_table(folder / "w.xmd"), table, check_dtype=False)


@relaxed
@given(data=st.data())
def test_a_cs_comes_back_bit_by_bit(folder, data):
    kinds = {"<u8": 8, "<f4": 4, "<f8": 8, "<i4": 4, "S5": 5, "<u2": 2}
    fields = data.draw(names)
    shapes = st.sampled_from([(), (2,), (3,)])
    dtype = np.dtype([(f"a/{name}", data.draw(st.sampled_from(list(kinds))), data.draw(shapes)) for name in fields])
    count = data.draw(st.integers(0, 4))
    size = dtype.itemsize * count
    table = np.frombuffer(data.draw(st.binary(min_size=size, max_size=size)), dtype=dtype)
    write_cryosparc_table(folder / "w.cs", table)
    found = read_cryosparc_table(folder / "w.cs")
    assert found.dtype == table.dtype
    assert found.tobytes() == table.tobytes()
