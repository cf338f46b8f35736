"""Blocks over processes: the same answer for any number, and mistakes that come through."""

import os
import subprocess
import sys
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path

import pytest
import torch

from deephemnma.core.error import InputError
from deephemnma.core.seed import make_image_generator
from deephemnma.distributed import device
from deephemnma.distributed.device import (
    choose_device,
    choose_gpu,
    choose_workers,
    count_cores,
    measure_free_memory,
)
from deephemnma.distributed.pool import map_blocks


def make_adder(offset: torch.Tensor):
    return lambda item: (item, float(offset.sum()) + item, torch.get_num_threads())


def make_refuser():
    def refuse(item: int) -> None:
        raise InputError(f"block {item} is bad")

    return refuse


def make_dead() -> None:
    os._exit(1)


@pytest.mark.parametrize("n_workers", [1, 2])
def test_every_item_is_done_once_with_one_thread(n_workers: int) -> None:
    done = list(map_blocks(partial(make_adder, torch.ones(3)), range(5), n_workers=n_workers))
    assert sorted(each.result for each in done) == [(item, 3.0 + item, 1) for item in range(5)]
    assert all(each.cpu_seconds > 0 for each in done)
    assert (done[0].process == os.getpid()) == (n_workers == 1)


@pytest.mark.parametrize("n_workers", [1, 2])
def test_a_users_mistake_comes_through(n_workers: int) -> None:
    with pytest.raises(InputError, match="block 0 is bad"):
        list(map_blocks(make_refuser, [0], n_workers=n_workers))


def make_nothing() -> None:
    raise InputError("these are other particles")


@pytest.mark.parametrize("n_workers", [1, 2])
def test_a_users_mistake_comes_through_from_the_preparation_too(n_workers: int) -> None:
    with pytest.raises(InputError, match="other particles"):
        list(map_blocks(make_nothing, range(3), n_workers=n_workers))


def test_a_dead_worker_is_an_error_not_a_wait() -> None:
    started = time.monotonic()
    with pytest.raises(Exception, match=r"terminated abruptly|process pool"):
        list(map_blocks(make_dead, range(3), n_workers=2))
    assert time.monotonic() - started < 60


ORPHANS = """
import os, time
from deephemnma.distributed.pool import map_blocks

def prepare():
    def work(item):
        print(os.getpid(), flush=True)
        time.sleep(60)
    return work

if __name__ == "__main__":
    list(map_blocks(prepare, range(2), n_workers=2))
"""


def test_workers_end_with_a_killed_run(tmp_path: Path) -> None:
    script = tmp_path / "orphans.py"
    script.write_text(ORPHANS)
    with subprocess.Popen([sys.executable, str(script)], stdout=subprocess.PIPE, text=True) as run:
        workers = [int(run.stdout.readline()) for _ in range(2)]
        run.kill()
        deadline = time.monotonic() + 20
        while any(is_running(worker) for worker in workers) and time.monotonic() < deadline:
            time.sleep(0.1)
        assert not any(is_running(worker) for worker in workers)


def is_running(process: int) -> bool:
    """Return whether a process works still; one that has ended and waits to be collected does not."""
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    status = Path(f"/proc/{process}/stat")
    return not (status.exists() and status.read_text().rpartition(")")[2].split()[0] == "Z")


def test_environment_is_as_before() -> None:
    before = dict(os.environ)
    list(map_blocks(partial(make_adder, torch.ones(1)), [1], n_workers=2))
    assert dict(os.environ) == before


def test_random_numbers_belong_to_seed_and_image() -> None:
    def draw(seed: int, image: int) -> list[float]:
        return torch.rand(3, generator=make_image_generator(seed, image)).tolist()

    assert draw(1, 2) == draw(1, 2)
    assert draw(1, 2) != draw(2, 1)
    assert draw(1, 2) != draw(1, 3)


def test_devices() -> None:
    assert choose_device("cpu").type == "cpu"
    with pytest.raises(InputError, match="--device must be"):
        choose_device("abacus")
    with pytest.raises(InputError, match="GPUs are visible"):
        choose_device("cuda:99")


def test_number_of_workers() -> None:
    cpu = torch.device("cpu")
    assert choose_workers(0, cpu, n_blocks=1000) == count_cores()
    assert choose_workers(8, cpu, n_blocks=3) == 3
    assert choose_workers(0, torch.device("cuda"), n_blocks=9) == 1


def test_workers_take_the_gpus_in_turn() -> None:
    assert [choose_gpu(worker, n_gpus=3) for worker in range(5)] == [0, 1, 2, 0, 1]
    assert choose_gpu(None, n_gpus=3) is None
    assert choose_gpu(4, n_gpus=0) is None


def tell_number() -> Callable[[int], int | None]:
    return lambda item: (time.sleep(0.2), device._worker)[1]


def test_each_worker_has_a_number() -> None:
    assert {done.result for done in map_blocks(tell_number, range(8), n_workers=2)} == {0, 1}
    assert device._worker is None


def test_free_memory_is_that_of_the_host_or_of_its_group(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    cpu = torch.device("cpu")
    host = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    assert 0 < measure_free_memory(cpu) <= host
    monkeypatch.setattr(device, "_GROUP", tmp_path)
    (tmp_path / "memory.max").write_text("5000000\n")
    (tmp_path / "memory.current").write_text("1000000\n")
    assert measure_free_memory(cpu) == 4_000_000
    (tmp_path / "memory.max").write_text("max\n")
    assert measure_free_memory(cpu) > 4_000_000
    monkeypatch.setattr(device, "_MEMINFO", tmp_path / "absent")  # not Linux
    assert measure_free_memory(cpu) == host
