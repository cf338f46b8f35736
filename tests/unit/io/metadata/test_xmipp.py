import pytest
import torch

from deephemnma.core.error import InputError
from deephemnma.core.estimates import Status
from deephemnma.core.rotation import rotation_to_euler
from deephemnma.io.metadata.xmipp import read_hemnma_results

RESULTS = """# XMIPP_STAR_1 *
#
data_noname
loop_
 _anglePsi
 _angleRot
 _angleTilt
 _cost
 _enabled
 _image
 _nmaDisplacements
 _shiftX
 _shiftY
   20.0   10.0   30.0   0.41   1 000001@a.mrcs '   -99.5   175.25 ' -0.5   1.5
  120.0  -40.0  200.0   0.41   1 000002@a.mrcs '     3.0    -4.0  '  2.0   0.0
"""


@pytest.fixture
def path(tmp_path):
    (tmp_path / "a.xmd").write_text(RESULTS)
    return tmp_path / "a.xmd"


def test_results_are_read(path):
    found = read_hemnma_results(path, mode_numbers=(7, 8), pixel_size=2.0)
    assert found.names == ("000001@a.mrcs", "000002@a.mrcs")
    assert found.amplitudes.tolist() == [[-99.5, 175.25], [3, -4]]
    assert found.poses.shifts.tolist() == [[-1, 3], [4, 0]]
    assert found.status == (Status.GIVEN, Status.GIVEN)
    euler = rotation_to_euler(found.poses.rotations).rad2deg()
    # A tilt of 200 is one of 160, seen from the other side.
    wanted = torch.tensor([[10, 30, 20], [140, 160, -60]], dtype=torch.float64)
    torch.testing.assert_close(euler, wanted)


def test_another_number_of_modes_is_told(path):
    with pytest.raises(InputError, match="row 1: 2 displacements, but 3 modes"):
        read_hemnma_results(path, mode_numbers=(7, 8, 9), pixel_size=2.0)


def test_other_metadata_is_told(path):
    path.write_text(RESULTS.replace("_nmaDisplacements", "_other"))
    with pytest.raises(InputError, match="lacks the column _nmaDisplacements"):
        read_hemnma_results(path, mode_numbers=(7, 8), pixel_size=2.0)
    path.write_text("text")
    with pytest.raises(InputError, match="is not a star file"):
        read_hemnma_results(path, mode_numbers=(7, 8), pixel_size=2.0)


@pytest.mark.shared_data
def test_a_genuine_result_is_read(shared_data):
    path = shared_data / "hemnma/ak8_hard/hemnma_result.xmd"
    found = read_hemnma_results(path, mode_numbers=(7, 8, 9), pixel_size=0.65)
    assert len(found) == 8
    assert found.amplitudes[0].tolist() == [-104.901539, 185.627999, -17.645765]
    old = read_hemnma_results(shared_data / "hemnma/hemnma_nma_alignment_output.xmd", mode_numbers=(7,), pixel_size=1.0)
    assert old.amplitudes.tolist() == [[-1270.6]]
