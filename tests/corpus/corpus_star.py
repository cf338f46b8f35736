"""Star files whose text is broken, or that are none."""

import gzip

from corpus_case import OLD_STAR, STAR, Case, edit, edited, star, without

HTML = "<!DOCTYPE html>\n<html><head><title>Sign in</title></head><body>data_ is behind a login</body></html>\n"
LFS = (
    "version https://git-lfs.github.com/spec/v1\noid sha256:4d7a214614ab2935c943f9e0ff69d22eadbb8f32b1258daaa\nsize 9\n"
)
PARTICLES_HEAD = STAR[STAR.index("data_particles") : STAR.index("000001@")]
ROW_3 = "000003@s.mrcs 12.0 23.0 33.0 0.5 -0.5 12003.0 11003.0 45.0 1"
OPTICS_ROW = "1 opticsGroup1 300.0 2.7 0.1 1.3 8 2"
CIF = "data_4AKE\n#\n_entry.id 4AKE\n#\nloop_\n_atom_site.id\n_atom_site.Cartn_x\n1 2.0\n2 3.0\n"

CASES = [
    Case("empty", star(""), r"a\.star is empty"),
    Case("only blanks", star(" \n\t\n\n"), r"a\.star is empty"),
    Case("only comments", star("# version 30001\n# nothing else\n"), r"a\.star is not a star file: no line .*data_"),
    Case("only the head of a table", star("data_particles\n"), r"a\.star holds data_particles, but no column rlnImage"),
    Case("a table without rows", star(STAR[: STAR.index("000001@")]), r"a\.star holds no particles"),
    Case("rows without a head", star(STAR[STAR.index("000001@") :]), r"a\.star is not a star file: no line"),
    Case(
        "rows without names of columns",
        star("data_particles\n\nloop_\n" + STAR[STAR.index("000001@") :]),
        r"a\.star, data_particles: row 1 \(line 4\) has 10 values, but there are 0 columns",
    ),
    Case(
        "names of columns without loop_",
        edited(("data_particles\n\nloop_", "data_particles\n")),
        r"a\.star, data_particles, line 21: .*'_rlnImageName #1'.*loop_",
    ),
    Case("a row cut short", edited((ROW_3, ROW_3[:30])), r"data_particles: row 3 \(line 34\) has 5 values, .* 10 colu"),
    Case("a row with one value more", edited((ROW_3, ROW_3 + " 7")), r"row 3 \(line 34\) has 11 values.* 10 columns"),
    Case("cut in the middle of the last row", star(STAR[:-20]), r"row 4 \(line 35\) has \d values, .* 10 columns"),
    Case("an open quote", edited(("000003@s.mrcs 12.0", "'000003@s.mrcs 12.0")), r"particle 3: .*\"'000003@s"),
    Case("columns divided by commas", edited((ROW_3, ROW_3.replace(" ", ","))), r"row 3 \(line 34\) has 1 values"),
    Case("a column twice", edited(("_rlnAngleTilt", "_rlnAngleRot")), r"data_particles has the column rlnAngleRot twi"),
    Case("a column without a name", edited(("_rlnAngleTilt", "_")), r"a\.star, data_particles, line 24: .*no name"),
    Case("a table twice", star(STAR + STAR[STAR.index("data_part") :]), r"a\.star, line 36: a second table data_parti"),
    Case("two tables of images", star(edit(STAR, ("data_particles", "data_images")) + "\ndata_movies\nloop_\n"
         "_rlnImageName\n1@s.mrcs\n"), r"a\.star holds several tables of images \(images, movies\)"),
    Case(
        "a second loop in a table",
        star(STAR + "\nloop_\n_rlnX\n1\n"),
        r"data_particles, line 37: a second loop_",
    ),
    Case(
        "a second loop in a table of one column",
        star("data_\nloop_\n_rlnImageName\n1@s.mrcs\nloop_\n_rlnX\n1\n"),
        r"a\.star, data_, line 5: a second loop_",
    ),
    Case("NUL bytes", edited(("33.0", "33\0")), r"a\.star holds binary data"),
    Case("UTF-16", star(STAR.encode("utf-16")), r"a\.star holds binary data or text in UTF-16.*UTF-8"),
    Case("UTF-16 without a mark", star(STAR.encode("utf-16-be")), r"a\.star holds binary data or text in UTF-16"),
    Case("UTF-32", star(STAR.encode("utf-32")), r"a\.star holds binary data"),
    Case("a web page", star(HTML), r"a\.star .*web page \(HTML\)"),
    Case("a Git LFS pointer", star(LFS), r"a\.star .*Git LFS pointer.*git lfs pull"),
    Case("packed without a name that says so", star(gzip.compress(STAR.encode())), r"a\.star .*packed \(gzip\).*\.gz"),
    Case(
        "a damaged packing",
        star(gzip.compress(STAR.encode())[:-30], name="a.star.gz"),
        r"a\.star\.gz is damaged .*copy it again",
    ),
    Case("a packing that is none", star(STAR, name="a.star.gz"), r"a\.star\.gz is damaged .*copy it again"),
    Case("bzip2 that is none", star(STAR, name="a.star.bz2"), r"a\.star\.bz2 is damaged .*copy it again"),
    Case("JSON", star('{"particles": [1, 2]}'), r"a\.star is not a star file"),
    Case("a table of commas", star("rlnImageName,rlnVoltage\n1@s.mrcs,300\n"), r"a\.star is not a star file"),
    Case("an atomic model in mmCIF", star(CIF, name="a.cif"), r"a\.cif is an atomic model by its name.*\.star"),
    Case("mmCIF under another name", star(CIF), r"a\.star, data_4AKE, line 5: .*loop_"),
    Case("very many tables", star("".join(f"data_{n}\n" for n in range(200_000))), r"a\.star has 200,000 tables"),
    Case("a very long line", star(STAR + "x " * 6_000_000), r"a\.star, .*line 36.* 12,000,000 characters"),
    Case("a very long name", star("data_\nloop_\n_" + "x" * 3_000_000 + "\n1\n"), r"a\.star, .*line 3,.* characters"),
    Case("very many columns", star("data_\nloop_\n" + "".join(f"_c{n}\n" for n in range(150_000))),
         r"a\.star, data_ has 150,000 columns"),
    Case("a table of a micrograph", star("data_\nloop_\n_rlnMicrographName\na.mrc\n"), r"data_, but no column rlnImag"),
    Case("no names of images", star(without("rlnImageName")), r"a\.star holds data_optics, data_particles, but no"),
    Case("subtomograms", edited((OPTICS_ROW, OPTICS_ROW[:-1] + "3")), r"about subtomograms \(rlnImageDimensionality 3"),
    Case(
        "particles of tomograms",
        edited(("_rlnAngleRot", "_rlnTomoName")),
        r"a\.star is about subtomograms \(rlnTomoName\)",
    ),
    Case("text in the place of an old table", star(edit(OLD_STAR, ("loop_", "loop"))), r"a\.star, data_, line 4"),
]  # fmt: skip
