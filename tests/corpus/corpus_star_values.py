"""Star files that read as text, with values that cannot be."""

from corpus_case import Case, edited, edited_old, star, without

NUMBERS = {
    "nan": "nan", "infinite": "inf", "hexadecimal": "0x1F", "with a comma": "12,5", "Fortran": "1.0D+03",
    "with an underscore": "1_000.5", "text": "abc", "empty": "''", "two signs": "--5", "with a unit": "12000A",
    "astronomical": "1e30", "in other digits": "١٢٠٠٠", "stars": "********", "missing": "<NA>", "a bracket": "[1.5]",
}  # fmt: skip
OPTICS_ROW = "1 opticsGroup1 300.0 2.7 0.1 1.3 8 2"
GROUP_OF_3 = ("33.0 0.5 -0.5 12003.0 11003.0 45.0 1", "33.0 0.5 -0.5 12003.0 11003.0 45.0 {}")


def name_3(name: str) -> tuple[str, str]:
    return ("000003@s.mrcs", name)


def optics(row: str, *more: str) -> tuple[str, str]:
    return (OPTICS_ROW, "\n".join((row, *more)))


NUMBER_CASES = [
    Case(
        f"a number {kind}",
        edited(("12003.0", text)),
        r"a\.star, particle 3: rlnDefocusU is .*, wanted a number",
    )
    for kind, text in NUMBERS.items()
]
NAME_CASES = [
    Case("an image without a stack", edited(name_3("3@")), r"a\.star, particle 3: rlnImageName is '3@', wanted 000001"),
    Case("an image without a number", edited(name_3("@s.mrcs")), r"a\.star, particle 3: rlnImageName is '@s.mrcs'"),
    Case("image 0", edited(name_3("000000@s.mrcs")), r"a\.star, particle 3: '000000@s.mrcs' is not in .*1 to 4"),
    Case("image -1", edited(name_3("-1@s.mrcs")), r"a\.star, particle 3: rlnImageName is '-1@s.mrcs'"),
    Case("image 1.5", edited(name_3("1.5@s.mrcs")), r"a\.star, particle 3: rlnImageName is '1.5@s.mrcs'"),
    Case("image 5 of 4", edited(name_3("000005@s.mrcs")), r"a\.star, particle 3: '000005@s.mrcs' is not in .*1 to 4"),
    Case("image 10^11", edited(name_3("100000000000@s.mrcs")), r"a\.star, particle 3: '1000.*' is not in its stack"),
    Case("image 10^40", edited(name_3("1" + "0" * 40 + "@s.mrcs")), r"a\.star, particle 3: rlnImageName is '1000"),
    Case("an image of other digits", edited(name_3("٣@s.mrcs")), r"a\.star, particle 3: rlnImageName is '٣@s.mrcs'"),
    Case("two at signs", edited(name_3("3@2@s.mrcs")), r"1 of the 2 stacks .*a\.star .*'2@s\.mrcs'"),
    Case("a range of images", edited(name_3("1-4@s.mrcs")), r"a\.star, particle 3: rlnImageName is '1-4@s.mrcs'"),
    Case("an image twice", edited(name_3("000001@s.mrcs")), r"particles 1 \('000001@s.mrcs'\) and 3 .* are one image"),
    Case("an image under two names", edited(name_3("1@./s.mrcs")), r"particles 1 .* and 3 \('1@./s.mrcs'\) are one"),
    Case("a stack that is not there", edited(name_3("3@t.mrcs")), r"1 of the 2 stacks .*a\.star .*t\.mrcs.*--datadir"),
    Case("an absolute path of another machine", edited(("@s.mrcs", "@/nowhere/x/t.mrcs")), r"'/nowhere/x/t\.mrcs'.*--"),
    Case("a path up and out", edited(("@s.mrcs", "@../../../../../../../etc/none")), r"'\.\./.*etc/none'.*--datadir"),
    Case("a name too long for the system", edited(name_3("3@" + "n" * 5000 + ".mrcs")), r"1 of the 2 stacks .*nnn"),
    Case("a folder in the place of a stack", edited(name_3("3@.")), r"1 of the 2 stacks .*'\.'"),
    Case("a star file that names itself", edited(("@s.mrcs", "@a.star")),
         r"a\.star cannot be read as an MRC stack: it is a text file"),
]  # fmt: skip
OPTICS_CASES = [
    Case("voltage 0", edited(optics("1 g 0 2.7 0.1 1.3 8 2")), r"a\.star, particle 1: rlnVoltage is 0.*kV"),
    Case("voltage below 0", edited(optics("1 g -300 2.7 0.1 1.3 8 2")), r"a\.star, particle 1: rlnVoltage is -300"),
    Case("volts", edited(optics("1 g 300000 2.7 0.1 1.3 8 2")), r"a\.star, particle 1: rlnVoltage is 300000.*kV"),
    Case("voltage nan", edited(optics("1 g nan 2.7 0.1 1.3 8 2")), r"a\.star, particle 1: rlnVoltage is 'nan'"),
    Case("aberration in nm", edited(optics("1 g 300 2700000 0.1 1.3 8 2")), r"particle 1: rlnSphericalAb.*\(mm\)"),
    Case("amplitude contrast in %", edited(optics("1 g 300 2.7 10 1.3 8 2")), r"rlnAmplitudeContrast is 10, .*0 to 1"),
    Case("amplitude contrast below 0", edited(optics("1 g 300 2.7 -.1 1.3 8 2")), r"rlnAmplitudeContrast is -0.1"),
    Case("pixel size 0", edited(optics("1 g 300 2.7 0.1 0 8 2")), r"a\.star, particle 1: the pixel size is 0 A"),
    Case("pixel size below 0", edited(optics("1 g 300 2.7 0.1 -1.3 8 2")), r"particle 1: the pixel size is -1.3 A"),
    Case("pixel size nan", edited(optics("1 g 300 2.7 0.1 nan 8 2")), r"particle 1: rlnImagePixelSize is 'nan'"),
    Case("pixel size in m", edited(optics("1 g 300 2.7 0.1 1.3e-10 8 2")), r"particle 1: the pixel size is 1.3e-10 A"),
    Case("pixel size huge", edited(optics("1 g 300 2.7 0.1 13000000 8 2")), r"particle 1: the pixel size is 1.3e\+07"),
    Case("another box", edited(optics("1 g 300 2.7 0.1 1.3 16 2")), r"a\.star, particle 1: images have 16 pixels.* 8"),
    Case("box of text", edited(optics("1 g 300 2.7 0.1 1.3 big 2")), r"a\.star, particle 1: rlnImageSize is 'big'"),
    Case("box -8, converted", lambda folder: ["convert", *edited(optics("1 g 300 2.7 0.1 1.3 -8 2"))(folder)[1:],
         "--format", "cs", "-o", str(folder / "out")], r"a\.star, particle 1: rlnImageSize is -8.*whole"),
    Case("no group of that number", edited((GROUP_OF_3[0], GROUP_OF_3[1].format(7))), r"particle 3: optics group 7 is"),
    Case("a group nan", edited((GROUP_OF_3[0], GROUP_OF_3[1].format("nan"))), r"particle 3: optics group nan is not i"),
    Case("a group twice", edited(optics(OPTICS_ROW, OPTICS_ROW)), r"a\.star has optics group 1 twice in data_optics"),
    Case("groups without numbers", edited(("_rlnOpticsGroup #1", "_rlnOther #1")), r"data_optics without rlnOpticsGro"),
    Case("groups without rows", edited(optics("")), r"a\.star has a table data_optics without rlnOpticsGroup"),
    Case("particles without groups", edited(("_rlnOpticsGroup #10", "_rlnOther #10"),
         optics(OPTICS_ROW, "2" + OPTICS_ROW[1:])), r"a\.star has 2 optics groups, but no column rlnOpticsGroup"),
    Case("no voltage", star(without("rlnVoltage")), r"a\.star lacks the column rlnVoltage"),
    Case("no defocus V", star(without("rlnDefocusV")), r"a\.star lacks the column rlnDefocusV"),
    Case("no tilt", star(without("rlnAngleTilt")), r"a\.star lacks the column rlnAngleTilt.*rlnAngleRot, "),
    Case("no origin y", star(without("rlnOriginYAngst")), r"a\.star lacks the column rlnOriginYAngst"),
    Case("defocus in m", edited(("12003.0", "120030000000.0")), r"particle 3: rlnDefocusU is .*\(A\)"),
    Case("a mix of flags", edited(("_rlnAngleRot", "_rlnCtfDataArePhaseFlipped"), ("10.0 21.0", "1 21.0"),
         ("11.0 22.0", "0 22.0"), ("12.0 23.0", "0 23.0"), ("13.0 24.0", "0 24.0"), ("_rlnAngleTilt", "_rlnA"),
         ("_rlnAnglePsi", "_rlnB")), r"a\.star mixes rlnCtfDataArePhaseFlipped"),
    Case("a flag of 2", edited_old(("_rlnMagnification", "_rlnCtfDataArePhaseFlipped"), ("100000", "2")),
         r"a\.star, particle 1: rlnCtfDataArePhaseFlipped is 2, wanted 0 or 1"),
    Case("premultiplied images", edited_old(("_rlnMagnification", "_rlnCtfDataAreCtfPremultiplied"), ("100000", "1")),
         r"a\.star says that images were multiplied by their CTF"),
    Case("magnification 0", edited_old(("100000", "0")), r"a\.star, particle 1: the pixel size is 0 A"),
]  # fmt: skip
CASES = [*NUMBER_CASES, *NAME_CASES, *OPTICS_CASES]
