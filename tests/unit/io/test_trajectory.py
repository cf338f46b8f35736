"""Trajectories come in A, whole and in blocks."""

import sys
from pathlib import Path

import chemfiles
import numpy as np
import pytest
import torch

from deephemnma.core.error import InputError
from deephemnma.io import trajectory
from deephemnma.io.trajectory import count_frames, is_trajectory, read_frames


@pytest.fixture
def positions() -> np.ndarray:
    return 30 * np.random.default_rng(0).standard_normal((7, 12, 3))


@pytest.fixture(params=["xtc", "trr", "nc"])
def path(request: pytest.FixtureRequest, positions: np.ndarray, tmp_path: Path) -> Path:
    path = tmp_path / f"path.{request.param}"
    with chemfiles.Trajectory(str(path), "w") as written:
        for each in positions:
            frame = chemfiles.Frame()
            for position in each:
                frame.add_atom(chemfiles.Atom("C"), position)
            written.write(frame)
    return path


def test_every_frame_comes_back(path: Path, positions: np.ndarray, monkeypatch: pytest.MonkeyPatch) -> None:
    assert is_trajectory(path)
    assert count_frames(path) == (7, 12)
    monkeypatch.setattr(trajectory, "BLOCK_COORDINATES", 2 * 36)
    blocks = list(read_frames(path))
    assert [len(block) for block in blocks] == [2, 2, 2, 1]
    np.testing.assert_allclose(torch.cat(blocks).numpy(), positions, atol=0.006)  # XTC keeps hundredths of an A


def test_what_is_no_trajectory_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "broken.dcd"
    path.write_bytes(b"no trajectory")
    with pytest.raises(InputError, match="cannot be read as a trajectory"):
        count_frames(path)
    with pytest.raises(InputError, match=r"absent\.xtc"):
        count_frames(tmp_path / "absent.xtc")


def test_the_library_is_asked_for_by_name(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "chemfiles", None)
    with pytest.raises(InputError, match=r"pip install 'deephemnma\[trajectory\]'"):
        count_frames(path)
