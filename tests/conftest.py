"""Fixtures for all tests."""

import importlib.resources
import os
from pathlib import Path

import pytest
import torch

SHARED_DATA_VARIABLE = "DEEPHEMNMA_SHARED_DATA"


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """Folder of the project's shared data; mark its users with ``shared_data``."""
    beside = Path(__file__).resolve().parents[2] / "shared" / "data"
    folder = Path(os.environ.get(SHARED_DATA_VARIABLE, beside))
    if not folder.is_dir():
        pytest.skip(f"the shared data are not at {folder} (set {SHARED_DATA_VARIABLE})")
    return folder


@pytest.fixture(scope="session")
def adenylate_kinase_path() -> Path:
    """The packaged heavy atoms of 4AKE chain A."""
    return Path(str(importlib.resources.files("deephemnma"))) / "data" / "4ake_chain_a.pdb"


@pytest.fixture
def generator() -> torch.Generator:
    """A seeded random generator."""
    return torch.Generator().manual_seed(0)
