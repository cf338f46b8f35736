"""Broken files of FREALIGN, cisTEM and Xmipp."""

from pathlib import Path

from corpus_case import Build, Case, check, edit, write_bytes, write_stack

MICROSCOPE = ("--voltage-kv", "300", "--cs-mm", "2.7", "--amplitude-contrast", "0.1")
PAR = "C           PSI   THETA     PHI       SHX       SHY     MAG  FILM      DF1      DF2  ANGAST     OCC\n" + "".join(
    f"      {n}   31.00   2{n}.00   1{n}.00     -0.50      0.50   10000     1  1200{n}.0  1100{n}.0   45.00  100.00"
    f"       -10     0.5000   20.00    0.00\n"
    for n in (1, 2, 3, 4)
)
"""Row 3 stands on line 4."""
CISTEM = """data_

loop_
_cisTEMPositionInStack #1
_cisTEMAnglePsi #2
_cisTEMAngleTheta #3
_cisTEMAnglePhi #4
_cisTEMXShift #5
_cisTEMYShift #6
_cisTEMDefocus1 #7
_cisTEMDefocus2 #8
_cisTEMDefocusAngle #9
_cisTEMPhaseShift #10
_cisTEMImageActivity #11
_cisTEMPixelSize #12
_cisTEMMicroscopeVoltagekV #13
_cisTEMMicroscopeCsMM #14
_cisTEMAmplitudeContrast #15
_cisTEMStackFilename #16
""" + "".join(
    f"{n} 31.0 2{n}.0 1{n}.0 -0.5 0.5 1200{n}.0 1100{n}.0 45.0 0.0 1 1.3 300.0 2.7 0.1 's.mrcs'\n" for n in (1, 2, 3, 4)
)
XMD = """# XMIPP_STAR_1 *
#
data_particles
loop_
 _image
 _enabled
 _angleRot
 _angleTilt
 _anglePsi
 _shiftX
 _shiftY
 _flip
 _ctfVoltage
 _ctfSphericalAberration
 _ctfQ0
 _ctfDefocusU
 _ctfDefocusV
 _ctfDefocusAngle
 _samplingRate
""" + "".join(
    f"00000{n}@s.mrcs 1 1{n}.0 2{n}.0 31.0 0.4 -0.4 0 300.0 2.7 0.1 1200{n}.0 1100{n}.0 45.0 1.3\n"
    for n in (1, 2, 3, 4)
)


def par(text: str, *options: str, more: tuple[str, ...] = ()) -> Build:
    """Make a case of a parameter file, and of files of further classes."""

    def build(folder: Path) -> list[str]:
        stack = write_stack(folder / "s.mrcs")
        others = [str(write_bytes(folder / f"r{n}.par", each.encode())) for n, each in enumerate(more, start=2)]
        classes = ["--class-parameters", *others] if others else []
        path = write_bytes(folder / "a.par", text.encode())
        return check(path, *(options or ("--stack", str(stack), *MICROSCOPE)), *classes)

    return build


def edited_par(*pairs: tuple[str, str]) -> Build:
    return par(edit(PAR, *pairs))


def named(name: str, text: str, *options: str) -> Build:
    def build(folder: Path) -> list[str]:
        write_stack(folder / "s.mrcs")
        return check(write_bytes(folder / name, text.encode()), *options)

    return build


def cistem(*pairs: tuple[str, str]) -> Build:
    return named("a.star", edit(CISTEM, *pairs))


def xmd(*pairs: tuple[str, str]) -> Build:
    return named("a.xmd", edit(XMD, *pairs))


def estimates(*pairs: tuple[str, str]) -> Build:
    """Read displacements by `landscape`, which takes estimates alone."""

    def build(folder: Path) -> list[str]:
        text = edit(XMD.replace("_samplingRate", "_nmaDisplacements").replace(" 1.3\n", " '10.0 -5.0'\n"), *pairs)
        path = write_bytes(folder / "a.xmd", text.encode())
        return ["landscape", "--estimates", str(path), "-o", str(folder / "out")]

    return build


ROW_3 = PAR.split("\n")[3]
FREALIGN = [
    Case("empty", par(""), r"a\.par is empty"),
    Case("only comments", par("C nothing\nC here\n"), r"a\.par holds no particles"),
    Case("text", par("once upon a time\n"), r"a\.par, line 1: 4 values, wanted 13, 16, 17"),
    Case("a web page", par("<!DOCTYPE html>\n<html></html>\n"), r"a\.par .*web page"),
    Case("a Git LFS pointer", par("version https://git-lfs.github.com/spec/v1\noid x\n"), r"a\.par .*Git LFS pointer"),
    Case("binary", par("\0" * 99), r"a\.par holds binary data"),
    Case("7 columns", par("1 2 3 4 5 6 7\n"), r"a\.par, line 1: 7 values, wanted 13, 16, 17"),
    Case("a row cut short", edited_par((ROW_3, ROW_3[:60])), r"a\.par, line 4: \d values, but 16 in the lines above"),
    Case("text in a row", edited_par(("12003.0", "  nope ")), r"a\.par, particle 3: DF1 is 'nope', wanted a number"),
    Case("stars in a row", edited_par(("12003.0", "*******")), r"a\.par, particle 3: DF1 is '\*+', wanted a number"),
    Case("an underscore", edited_par(("12003.0", "12_03.0")), r"a\.par, particle 3: DF1 is '12_03.0', wanted a number"),
    Case("nan in a row", edited_par(("12003.0", "    nan")), r"a\.par, particle 3: DF1 is 'nan', wanted a number"),
    Case("half an image", edited_par(("      3   31", "    2.5   31")), r"a\.par, particle 3: POS is 2.5, wanted a wh"),
    Case("image 0", edited_par(("      3   31", "      0   31")), r"a\.par, particle 3: POS is 0, wanted a whole .*1"),
    Case("image -1", edited_par(("      3   31", "     -1   31")), r"a\.par, particle 3: POS is -1, wanted a whole"),
    Case("image 10^30", edited_par(("      3   31", "   1e30   31")), r"a\.par, particle 3: POS is '1e30', wanted"),
    Case("image 9 of 4", edited_par(("      3   31", "      9   31")), r"a\.par, particle 3: '000009@.* is not in its"),
    Case("an image twice", edited_par(("      3   31", "      1   31")), r"a\.par: particles 1 .* and 3 .* are one im"),
    Case("two magnifications", edited_par((ROW_3, ROW_3.replace("10000", "20000"))), r"a\.par has .*several magnif"),
    Case("classes of different lengths", par(PAR, more=(PAR[: PAR.index("      4   31")],)), r"r2\.par and .*a\.par"),
    Case("classes of other particles", par(PAR, more=(edit(PAR, ("      4   31", "      5   31")),)), r"r2\.par and"),
    Case("a class that is not there", lambda folder: [*par(PAR)(folder), "--class-parameters", str(folder / "x.par")],
         r"Wanted a parameter file of FREALIGN \(\.par\) at .*x\.par, but there is no such file"),
    Case("no stack named", par(PAR, *MICROSCOPE), r"a\.par does not say all .*--stack"),
    Case("no voltage named", par(PAR, "--stack", "s.mrcs"), r"a\.par does not say all .*--voltage-kv"),
    Case("a stack that is not there", par(PAR, "--stack", "none.mrcs", *MICROSCOPE), r"a\.par .*none\.mrcs"),
    Case("a star file by the name of .par", par("data_\nloop_\n_rlnImageName\n1@s.mrcs\n"), r"a\.par, line 1: 1 value"),
]  # fmt: skip
OTHERS = [
    Case("cisTEM without a stack", named("a.star", edit(CISTEM, ("_cisTEMStackFilename #16\n", ""), (" 's.mrcs'", ""))),
         r"a\.star does not say all of its images.*--stack"),
    Case("cisTEM without voltage", cistem(("_cisTEMMicroscopeVoltagekV", "_cisTEMOther")), r"a\.star does not .*--vol"),
    Case("cisTEM without shifts", cistem(("_cisTEMXShift", "_cisTEMOther")), r"a\.star lacks the column _cisTEMXShift"),
    Case("cisTEM, half an image", cistem(("3 31.0", "2.5 31.0")), r"a\.star, particle 3: cisTEMPosi.* is 2.5, wanted"),
    Case("cisTEM, none active", cistem((" 0.0 1 1.3", " 0.0 -1 1.3")), r"a\.star holds no particles"),
    Case("cisTEM, defocus nan", cistem(("12003.0", "nan")), r"a\.star, particle 3: cisTEMDefocus1 is 'nan'"),
    Case("cisTEM, pixel size 0", cistem((" 1.3 300", " 0 300")), r"a\.star, particle 1: the pixel size is 0 A"),
    Case("mirrored images", xmd(("-0.4 0 300", "-0.4 1 300")), r"a\.xmd .*mirrored \(_flip 1\)"),
    Case("none enabled", xmd(("s.mrcs 1 ", "s.mrcs -1 ")), r"a\.xmd holds no enabled images"),
    Case("enabled by text", xmd(("3@s.mrcs 1 ", "3@s.mrcs yes ")), r"a\.xmd, particle 3: enabled is 'yes'"),
    Case("flipped by text", xmd(("-0.4 0 300", "-0.4 no 300")), r"a\.xmd, particle 1: flip is 'no', wanted a number"),
    Case("no images", xmd((" _image\n", " _picture\n")), r"a\.xmd holds data_particles, but no column rlnImageName"),
    Case("an empty name of a column", xmd((" _angleRot\n", " _\n")), r"a\.xmd, data_particles, line 7: .*no name"),
    Case("a defocus of text", xmd(("12003.0", "deep")), r"a\.xmd, particle 3: rlnDefocusU is 'deep'"),
    Case("volumes", xmd((" _flip\n", " _shiftZ\n"), ("-0.4 0 300", "-0.4 2.5 300")), r"a\.xmd has shifts along z"),
    Case("a list of volumes", xmd((".mrcs", ".vol")), r"1 of the 1 stacks .*a\.xmd .*s\.vol"),
    Case("Xmipp, an image twice", xmd(("000003@", "000002@")), r"a\.xmd: particles 2 .* and 3 .* are one image"),
    Case("results without their modes", estimates(), r"a\.xmd .*mode"),
    Case("metadata of modes", named("a.xmd", "data_modes\nloop_\n _nmaModefile\n vec.7\n"), r"a\.xmd holds data_modes"),
    Case("a metadata block of pairs", named("a.xmd", "data_a\n _image\n"), r"a\.xmd, data_a, line 2: .*'_image'"),
]  # fmt: skip
CASES = [*FREALIGN, *OTHERS]
