"""Choice of the device that computes, and what memory it has."""

import math
import os
from pathlib import Path

import torch

from deephemnma.core.error import InputError

_MEMINFO, _GROUP = Path("/proc/meminfo"), Path("/sys/fs/cgroup")
_worker: int | None = None


def choose_device(name: str) -> torch.device:
    """Return the device called `name`; "auto" is a GPU, or the CPU where there is none.

    To one of several workers "auto" and "cuda" are its own share of the GPUs (:func:`choose_gpu`).

    Raises
    ------
    InputError
        If there is no such device here.
    """
    if name == "auto":
        name = "cuda" if torch.cuda.is_available() else "cpu"
    try:
        device = torch.device(name)
    except RuntimeError:
        raise InputError(f"--device must be auto, cpu, cuda or cuda:N, but {name!r} was given.") from None
    if device.type == "cuda" and (device.index or 0) >= torch.cuda.device_count():
        raise InputError(
            f"--device {name} was asked for, but {torch.cuda.device_count()} GPUs are visible: "
            "use --device cpu or check the driver and CUDA_VISIBLE_DEVICES."
        )
    if device.type == "cuda" and device.index is None:
        return torch.device("cuda", choose_gpu(_worker, n_gpus=torch.cuda.device_count()))
    return device


def count_cores() -> int:
    """Return the number of CPU cores this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def choose_workers(workers: int, device: torch.device, *, n_blocks: int) -> int:
    """Return how many processes to start: `workers`, or for 0 one a core or GPU; at most one a block.

    A GPU that is named by its number is one; "cuda" alone are all that are visible.
    """
    gpus = 1 if device.index is not None else max(1, torch.cuda.device_count())
    wanted = workers or (gpus if device.type != "cpu" else count_cores())
    return max(1, min(wanted, n_blocks))


def choose_gpu(worker: int | None, *, n_gpus: int) -> int | None:
    """Return the number of the GPU that "cuda" means to a worker: they take the GPUs in turn.

    Parameters
    ----------
    worker
        From 0; None where there is but one process, to which "cuda" means whatever is its current one.
    n_gpus
        GPUs that are visible.
    """
    return None if worker is None or n_gpus == 0 else worker % n_gpus


def number_worker(worker: int) -> None:
    """Tell this process which of several workers it is."""
    global _worker
    _worker = worker


def measure_free_memory(device: torch.device) -> int:
    """Return the bytes that may still be used: on all GPUs that `device` means, or on the host within limits."""
    if device.type == "cuda":
        gpus = range(torch.cuda.device_count()) if device.index is None else [device.index]
        return len(gpus) * min(torch.cuda.mem_get_info(gpu)[0] for gpu in gpus)
    if not _MEMINFO.exists():
        return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    lines = dict(line.split(":", 1) for line in _MEMINFO.read_text(encoding="ascii").splitlines())
    return int(min(int(lines["MemAvailable"].split()[0]) * 1024, _measure_group_memory(_GROUP)))


def _measure_group_memory(group: Path) -> int | float:
    """Return what the control group of a container or batch job still allows; infinity where it has no limit."""
    limit, used = group / "memory.max", group / "memory.current"
    if not limit.exists() or (most := limit.read_text(encoding="ascii").strip()) == "max":
        return math.inf
    return max(0, int(most) - int(used.read_text(encoding="ascii")))
