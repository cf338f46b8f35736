"""What a file holds by its first bytes, where it is not what it was given for."""

SIGNS = {
    b"\x1f\x8b": "packed (gzip), though its name does not say so: rename it to end in .gz",
    b"BZh": "packed (bzip2), though its name does not say so: rename it to end in .bz2",
    b"PK\x03\x04": "a zip archive (as numpy's .npz is): unpack it",
    b"\x89HDF": "an HDF5 file: convert it with the program that wrote it",
    b"II*\0": "a TIFF file: convert it with the program that wrote it",
    b"MM\0*": "a TIFF file: convert it with the program that wrote it",
    b"\x93NUMPY": "an array of numpy or a .cs file of cryoSPARC, by its first bytes",
    b"PAR1": "a Parquet table, by its first bytes",
    b"version https://git-lfs": "a Git LFS pointer, not the file itself: fetch it (git lfs pull)",
    b"/annex/objects": "a git-annex pointer, not the file itself: fetch it (git annex get)",
    b"../.git/annex": "a git-annex pointer, not the file itself: fetch it (git annex get)",
}
PAGES = (b"<!doctype html", b"<html")
_CONTROL = bytes(set(range(32)) - set(b"\t\n\r\f\v")) + b"\x7f"


def describe_content(head: bytes) -> str:
    """Return what a file is that begins so, and what to do, in words behind "it is"; empty where nothing is known."""
    for sign, told in SIGNS.items():
        if head.startswith(sign):
            return told
    start = head[:1024].removeprefix(b"\xef\xbb\xbf").lstrip()
    if start.lower().startswith(PAGES):
        return "a web page (HTML), as a failed download leaves: fetch the file itself"
    return "a text file" if start and start == start.translate(None, _CONTROL) else ""


def is_foreign_text(head: bytes) -> bool:
    """Return whether a text that begins so is certainly no table: a pointer to a file that is elsewhere, or a page."""
    return describe_content(head) not in {"", "a text file"}
