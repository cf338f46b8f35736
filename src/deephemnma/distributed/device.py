"""Choice of the device that computes."""

import os

import torch

from deephemnma.core.error import InputError


def choose_device(name: str) -> torch.device:
    """Return the device called `name`; "auto" is the first GPU, or the CPU where there is none.

    Raises
    ------
    InputError
        If there is no such device here.
    """
    if name == "auto":
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    try:
        device = torch.device(name)
    except RuntimeError:
        raise InputError(f"--device must be auto, cpu, cuda or cuda:N, but {name!r} was given.") from None
    if device.type == "cuda" and (device.index or 0) >= torch.cuda.device_count():
        raise InputError(
            f"--device {name} was asked for, but {torch.cuda.device_count()} GPUs are visible: "
            "use --device cpu or check the driver and CUDA_VISIBLE_DEVICES."
        )
    return device


def count_cores() -> int:
    """Return the number of CPU cores this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def choose_workers(workers: int, device: torch.device, *, n_blocks: int) -> int:
    """Return how many processes to start: `workers`, or for 0 one a core (one on a GPU); at most one a block."""
    wanted = workers or (1 if device.type != "cpu" else count_cores())
    return max(1, min(wanted, n_blocks))
