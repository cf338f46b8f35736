"""What stages write of their estimates, and how the better of two answers is kept."""

import pytest
import torch

from deephemnma.core.estimates import Estimates, Status, concatenate_estimates
from deephemnma.core.particle import Poses
from deephemnma.pipeline.particles import count_statuses
from deephemnma.pipeline.refine import keep_better


def make_rows(names: str, *, score: float, status: Status = Status.CONVERGED) -> Estimates:
    count = len(names)
    return Estimates(
        names=tuple(names),
        poses=Poses(torch.eye(3).double().expand(count, 3, 3), torch.zeros(count, 2).double()),
        amplitudes=torch.zeros(count, 1).double(),
        covariance=torch.eye(6).double().expand(count, 6, 6),
        score=torch.full((count,), score).double(),
        status=(status,) * count,
        mode_numbers=(7,),
    )


def test_counts_have_shares_and_a_sum_of_what_is_left_aside():
    parts = [make_rows("abcde", score=0.0), make_rows("fg", score=0.0, status=Status.AMBIGUOUS)]
    parts.append(make_rows("h", score=-9.0, status=Status.JUNK))
    counts = count_statuses(concatenate_estimates(parts))
    assert counts == {
        "converged": "5 (62.5%)",
        "ambiguous": "2 (25.0%)",
        "junk": "1 (12.5%)",
        "left aside": "3 (37.5%)",
    }
    assert count_statuses(parts[0].select(torch.arange(0))) == {}


@pytest.mark.parametrize("searched_score", [0.0, -9.0])
def test_alternatives_follow_the_answer_that_is_kept(searched_score):
    """Image b was refined badly and searched; image c was refined well."""
    refined = make_rows("abc", score=-5.0), make_rows("bbc", score=-5.0, status=Status.AMBIGUOUS)
    searched = make_rows("b", score=searched_score), make_rows("b", score=-1.0, status=Status.AMBIGUOUS)
    found, others = keep_better(refined, torch.tensor([1]), searched)
    assert found.names == ("a", "b", "c")
    assert found.score.tolist() == [-5.0, max(searched_score, -5.0), -5.0]
    by_search = searched_score > -5.0
    assert sorted(others.names) == (["b", "c"] if by_search else ["b", "b", "c"])
    assert (-1.0 in others.score.tolist()) == by_search
