"""The label of MRC files that we write."""

import mrcfile.mrcinterpreter

LABEL = b"deephemnma"


def set_label(mrc: mrcfile.mrcinterpreter.MrcInterpreter) -> None:
    """Replace the library's label, which tells the time: equal content must give equal files, for inputs are hashed."""
    mrc.header.label[:] = b""
    mrc.header.label[0] = LABEL
    mrc.header.nlabl = 1
