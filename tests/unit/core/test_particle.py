import pytest
import torch

from deephemnma.core.particle import ImageSource, Optics, Poses


class _Ramp(ImageSource):
    """Images that are constant: their own number."""

    def __init__(self, count: int) -> None:
        self._names = tuple(str(number) for number in range(count))

    @property
    def names(self) -> tuple[str, ...]:
        return self._names

    @property
    def box_size(self) -> int:
        return 4

    @property
    def pixel_size(self) -> float:
        return 1.5

    @property
    def optics(self) -> None:
        return None

    def __getitem__(self, ids):
        return ids[:, None, None].expand(-1, 4, 4).float()


@pytest.fixture
def optics():
    values = torch.arange(5, dtype=torch.float64)
    return Optics(values + 300, values, values / 10, values * 1e4, values * 2e4, values, values, phase_flipped=True)


def test_blocks_cover_all_images_in_order():
    source = _Ramp(7)
    blocks = list(source.iterate_blocks(3))
    assert [len(block) for block in blocks] == [3, 3, 1]
    assert torch.cat(blocks).tolist() == list(range(7))
    assert source[blocks[1]][:, 0, 0].tolist() == [3, 4, 5]
    assert len(source) == 7


def test_optics_are_selected_and_keep_their_flag(optics):
    chosen = optics.select(torch.tensor([3, 0]))
    assert chosen.defocus_v.tolist() == [6e4, 0]
    assert chosen.voltage_kv.tolist() == [303, 300]
    assert chosen.phase_flipped
    assert len(chosen) == 2


def test_optics_change_type(optics):
    single = optics.to("cpu")
    assert single.defocus_u.dtype == torch.float32
    assert single.phase_flipped


def test_poses_are_selected():
    poses = Poses(torch.eye(3).expand(4, 3, 3), torch.arange(8.0).reshape(4, 2))
    assert poses.select(torch.tensor([2])).shifts.tolist() == [[4, 5]]
    assert len(poses) == 4
