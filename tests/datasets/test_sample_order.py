"""The order of samples is a function of seed, epoch and position alone."""

import random

import numpy as np
import pytest
import torch
from torch.utils.data import Dataset

from iqa_sr.basicsr_compat import set_random_seed
from iqa_sr.datasets.sample_order import DataCursor, SeededSampler, build_train_loader
from iqa_sr.runtime import rng_state


class Drawing(Dataset):
    """Each sample is its index and a draw of each of the three generators."""

    def __len__(self):
        return 10

    def __getitem__(self, index):
        draws = [index, random.random(), np.random.rand(), torch.rand(()).item()]
        return torch.tensor(draws, dtype=torch.float64)


def options(workers=0, batch=4, ratio=1, seed=3, rank=0, world_size=1):
    train = {"batch_size_per_gpu": batch, "num_worker_per_gpu": workers, "dataset_enlarge_ratio": ratio}
    return {
        "datasets": {"train": train},
        "manual_seed": seed,
        "rank": rank,
        "world_size": world_size,
        "dist": world_size > 1,
        "num_gpu": 0,
    }


def batches(count, position=(0, 0), **kwargs):
    loader, order = build_train_loader(Drawing(), options(**kwargs))
    found = []
    where = DataCursor(loader, order, *position)
    for batch in where.batches():
        found.append(batch)
        if len(found) == count:
            return torch.stack(found), (where.epoch, where.iteration)


def test_workers_change_nothing():
    assert torch.equal(batches(5)[0], batches(5, workers=2)[0])


def test_every_epoch_and_every_seed_draws_anew():
    found = batches(4)[0]
    assert not torch.equal(found[:2], found[2:]), "two epochs of two batches"
    assert len(set(found[..., 1].flatten().tolist())) == found[..., 1].numel(), "no draw comes twice"
    assert not torch.equal(found, batches(4, seed=4)[0])


@pytest.mark.parametrize("stop", [1, 2, 3, 4])
def test_resuming_from_a_cursor_gives_what_would_have_come(stop):
    whole, _ = batches(7)
    _, position = batches(stop)
    rest, _ = batches(7 - stop, position=position)
    assert torch.equal(whole[stop:], rest)


def test_two_processes_see_what_one_sees():
    whole = batches(2)[0]
    halves = [batches(2, batch=2, rank=rank, world_size=2)[0] for rank in (0, 1)]
    for number in range(2):
        together = torch.cat([half[number] for half in halves])
        assert torch.equal(together.sort(dim=0).values, whole[number].sort(dim=0).values)


def test_loading_leaves_the_generators_of_the_run_alone():
    set_random_seed(5)
    expected = (random.random(), np.random.rand(), torch.rand(()).item())
    set_random_seed(5)
    batches(5)
    batches(5, workers=1)
    assert (random.random(), np.random.rand(), torch.rand(()).item()) == expected


def test_a_set_that_does_not_fill_a_batch_is_refused_with_the_cure():
    with pytest.raises(
        ValueError, match=r"10 samples, which do not fill a batch of 16.*\n.*dataset_enlarge_ratio to 2"
    ):
        build_train_loader(Drawing(), options(batch=16))
    assert len(SeededSampler(10, 0, ratio=2)) == 20


def test_random_state_is_put_back_exactly(tmp_path):
    set_random_seed(7)
    random.gauss(0, 1)
    np.random.standard_normal()
    torch.save(rng_state.capture(), tmp_path / "x.pt")
    first = [random.gauss(0, 1), np.random.standard_normal(), torch.randn(()).item()]
    rng_state.restore(torch.load(tmp_path / "x.pt", weights_only=True))
    assert [random.gauss(0, 1), np.random.standard_normal(), torch.randn(()).item()] == first
