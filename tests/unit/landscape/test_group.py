import itertools

import pytest
import torch

from deephemnma.core.error import InputError
from deephemnma.core.estimates import Estimates, Status, make_estimates
from deephemnma.core.landscape import Landscape
from deephemnma.core.particle import Poses
from deephemnma.landscape.expression import evaluate_expression
from deephemnma.landscape.group import (
    compute_centroids,
    group_by_expression,
    group_by_kmeans,
    group_by_quantile,
    list_members,
    make_groups,
)
from deephemnma.landscape.path import make_centroid_path, make_path, make_point_path
from deephemnma.landscape.reduction import make_landscape
from deephemnma.settings.landscape import GroupSettings, LandscapeSettings

COLUMNS = {"pc1": torch.tensor([-1.0, 0.0, 2.0, 4.0]), "amplitude_7": torch.tensor([5.0, -5.0, 5.0, -5.0])}


@pytest.fixture
def estimates() -> Estimates:
    generator = torch.Generator().manual_seed(0)
    centers = torch.tensor([[-100.0, 0.0], [0.0, 50.0], [100.0, 0.0]]).repeat_interleave(20, 0)
    amplitudes = (centers + torch.randn(60, 2, generator=generator)).double()
    return make_estimates(
        names=tuple(f"{number}@a.mrcs" for number in range(60)),
        poses=Poses(torch.eye(3, dtype=torch.float64).repeat(60, 1, 1), torch.zeros(60, 2, dtype=torch.float64)),
        amplitudes=amplitudes,
        mode_numbers=(7, 9),
        status=Status.GIVEN,
    )


@pytest.fixture
def landscape(estimates) -> Landscape:
    return make_landscape(estimates, n_axes=2)


@pytest.mark.parametrize(
    ("expression", "wanted"),
    [
        ("pc1 > 0", [False, False, True, True]),
        ("pc1 > 1 and amplitude_7 < 0", [False, False, False, True]),
        ("pc1 < 0 or not amplitude_7 < 0", [True, False, True, False]),
        ("-1 <= pc1 < 2", [True, True, False, False]),
        ("(pc1 - 1)**2 + amplitude_7/5 > 2", [True, False, False, True]),
        ("1 < 2", [True, True, True, True]),
        (" pc1 == 4 ", [False, False, False, True]),
    ],
)
def test_expressions_mean_what_they_say(expression, wanted):
    assert evaluate_expression(expression, COLUMNS).tolist() == wanted


@pytest.mark.parametrize(
    ("expression", "word"),
    [
        ("__import__('os').system('true')", "no meaning"),
        ("pc1.data > 0", "no meaning"),
        ("[pc1 > 0 for _ in ()]", "no meaning"),
        ("(lambda: pc1)() > 0", "no meaning"),
        ("pc1 > 'a'", "no meaning"),
        ("pc1 > True", "no meaning"),
        ("pc1 is 1", "no meaning"),
        ("pc1 > 0 & 1", "no meaning"),
        ("pc1 >", "cannot be read"),
        ("", "cannot be read"),
        ("pc1 > 0\x00", "cannot be read"),
        ("pc1" + " + 1" * 400 + " > 0", "cannot be read"),
        ("-" * 990 + "pc1 > 0", r"nested|cannot be read"),
        ("pc9 > 0", r"no column 'pc9'.*pc1, amplitude_7"),
        ("pc1", "not a condition"),
        ("pc1 and amplitude_7 > 0", "where a condition is needed"),
        ("(pc1 > 0) + 1 > 0", "where a number is needed"),
    ],
)
def test_anything_else_is_refused_with_a_reason(expression, word):
    with pytest.raises(InputError, match=word):
        evaluate_expression(expression, COLUMNS)


def test_a_tower_of_powers_ends_at_once():
    assert not evaluate_expression("pc1 > 9**9**9**9", COLUMNS).any()


def test_groups_by_expression_take_the_first_that_holds(landscape, estimates):
    grouped = group_by_expression(landscape, estimates, ["amplitude_7 > 50", "amplitude_7 > -50"])
    assert [len(rows) for rows in list_members(grouped)] == [20, 20]
    assert (grouped.groups[:20] == -1).all()
    with pytest.raises(InputError, match="holds for no image"):
        group_by_expression(landscape, estimates, "amplitude_9 > 1e6")


def test_expressions_follow_names_not_rows(landscape, estimates):
    reverse = estimates.select(torch.arange(59, -1, -1))
    one = group_by_expression(landscape, estimates, "amplitude_7 > 50")
    assert torch.equal(one.groups, group_by_expression(landscape, reverse, "amplitude_7 > 50").groups)
    with pytest.raises(InputError, match="not among the estimates"):
        group_by_expression(landscape, estimates.select(torch.arange(10)), "pc1 > 0")


def test_kmeans_finds_the_clusters_and_numbers_them_along_the_first_axis(landscape):
    grouped = group_by_kmeans(landscape, n_groups=3, seed=1)
    assert sorted(len(rows) for rows in list_members(grouped)) == [20, 20, 20]
    assert (compute_centroids(grouped)[:, 0].diff() > 0).all()
    assert torch.equal(grouped.groups, group_by_kmeans(landscape, n_groups=3, seed=2).groups)


def test_quantiles_are_of_equal_size_and_in_order(landscape):
    grouped = group_by_quantile(landscape, n_groups=4, margin=0.1)
    members = list_members(grouped)
    assert [len(rows) for rows in members] == [12, 12, 12, 12]
    along = landscape.coordinates[:, 0]
    assert all(along[low].max() <= along[high].min() for low, high in itertools.pairwise(members))
    assert int((grouped.groups < 0).sum()) == 12


@pytest.mark.parametrize(
    ("settings", "sizes"),
    [
        (GroupSettings(n_groups=3), [20, 20, 20]),
        (GroupSettings(method="quantile", n_groups=2), [30, 30]),
        (GroupSettings(expressions=("amplitude_9 > 25",)), [20]),
    ],
)
def test_settings_choose_the_grouping(landscape, estimates, settings, sizes):
    assert [len(rows) for rows in list_members(make_groups(landscape, estimates, settings=settings))] == sizes


def test_impossible_groups_are_refused(landscape):
    with pytest.raises(InputError, match="1 to 60 groups"):
        group_by_kmeans(landscape, n_groups=61)
    with pytest.raises(InputError, match="axis"):
        group_by_quantile(landscape, axis=3, n_groups=2)
    with pytest.raises(InputError, match="no groups"):
        compute_centroids(landscape)


def test_a_path_along_an_axis_is_straight_between_its_quantiles(landscape):
    frames = make_path(landscape, axis=1, n_frames=5, quantiles=(0.0, 1.0))
    along = (frames - landscape.mean) @ landscape.axes.mT
    torch.testing.assert_close(along[[0, -1], 0], landscape.coordinates[:, 0].sort().values[[0, -1]])
    torch.testing.assert_close(along[:, 1], torch.zeros(5, dtype=torch.float64))
    torch.testing.assert_close(along[:, 0].diff(), along[:, 0].diff()[:1].expand(4))


def test_a_path_through_groups_meets_every_centroid(landscape):
    grouped = group_by_kmeans(landscape, n_groups=3)
    frames = make_centroid_path(grouped, n_frames=201)
    centroids = grouped.to_amplitudes(compute_centroids(grouped))
    assert float(torch.cdist(centroids, frames).min(1).values.max()) < 1.5
    steps = frames.diff(dim=0).norm(dim=1)
    assert float(steps.max() / steps.median()) < 1.01


def test_a_path_may_be_drawn_by_hand(landscape):
    points = torch.tensor([[0.0, 0.0], [3.0, 4.0], [3.0, 9.0]], dtype=torch.float64)
    frames = make_point_path(landscape, points, n_frames=3)
    along = (frames - landscape.mean) @ landscape.axes.mT
    torch.testing.assert_close(along, torch.tensor([[0.0, 0.0], [3.0, 4.0], [3.0, 9.0]], dtype=torch.float64))
    with pytest.raises(InputError, match="2 or more"):
        make_point_path(landscape, points[:1], n_frames=3)


@pytest.mark.parametrize(
    ("make", "option"),
    [
        (lambda: GroupSettings(n_groups=0), "--n-groups"),
        (lambda: GroupSettings(margin=0.6), "--margin"),
        (lambda: LandscapeSettings(n_axes=0), "--n-axes"),
        (lambda: LandscapeSettings(outlier_threshold=0.0), "--outlier-threshold"),
    ],
)
def test_settings_name_the_option_that_is_wrong(make, option):
    with pytest.raises(InputError, match=option):
        make()
