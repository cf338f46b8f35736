"""The figures of one set of estimates: bound, errors, failures, error bars, score."""

import math
from collections import Counter
from dataclasses import replace

import torch

from deephemnma.core.estimates import Estimates
from deephemnma.metrics.calibration import compute_ratio_to_bound
from deephemnma.metrics.error import ImageErrors, compute_errors
from deephemnma.metrics.summary import FailureRule, find_failures

MEAN_OF_NORMAL = math.sqrt(2 / math.pi)
"""Mean absolute value of a normal variable over its standard deviation."""
SHORT = ("ratio", "failed", "failed, not noticed", "coverage 68 %", "z SD")
"""Figures that say most."""
GROUPS = ("amplitude", "rotation", "shift")
FAILED = FailureRule(angle=math.radians(3.0), displacement=1.0)
LOST = FailureRule(angle=math.radians(10.0), displacement=3.0)
"""Where the reference cannot be the molecule of the images: errors beyond these are another minimum, not mismatch."""


def summarize(
    found: Estimates, truth: Estimates, bound: torch.Tensor | None, *, n_sites: int, rule: FailureRule = FAILED
) -> dict[str, object]:
    """Return the figures by name.

    Errors are mean absolute ones over the images that did not fail, and the bound is the mean absolute error of a
    method that reaches it, so that the two can be compared; "ratio" is the root mean square error of these images in
    units of the bound, 1 at the bound. Coverage is of all images that have error bars, failed ones too. An image has
    failed beyond 5 standard deviations of the bound (where there is none, the displacement of `rule`), or the angle of
    `rule`.
    """
    errors = compute_errors(found, truth)
    deviations = None if bound is None else bound.diagonal(dim1=-2, dim2=-1).sqrt()
    failed = find_failures(errors, n_sites=n_sites, bound_sd=deviations, rule=rule)
    failed |= ~(errors.geodesic_angle <= rule.angle)
    row: dict[str, object] = {"images": len(errors)}
    for name, columns in _list_groups(errors).items():
        unit = math.degrees(1) if name == "rotation" else 1.0
        limit = None if deviations is None else float(deviations[:, columns].mean()) * MEAN_OF_NORMAL * unit
        row[f"bound, {name}"] = limit
        row[f"error, {name}"] = float(errors.parameters[~failed][:, columns].abs().mean()) * unit
    row |= _compare_with_bound(errors, bound, failed=failed)
    row["failed"] = float(failed.double().mean())
    row["failed, not noticed"] = float((failed & ~errors.flagged).double().mean())
    row["beyond 3 degrees"] = float((~(errors.geodesic_angle <= FAILED.angle)).double().mean())
    row["flagged, but right"] = float((~failed & errors.flagged).double().mean())
    row |= _check_error_bars(errors, failed=failed)
    row["AUC of the score"] = compute_auc(found.score, failed)
    row["statuses"] = {str(status): count for status, count in Counter(found.status).items()}
    row["error, each mode"] = errors.amplitudes[~failed].abs().mean(0).tolist()
    return row


def compute_auc(score: torch.Tensor, failed: torch.Tensor) -> float | None:
    """Return the chance that a right image has a better score than a failed one; None where there are not both."""
    right, wrong = score[~failed], score[failed]
    if not len(right) or not len(wrong):
        return None
    ordered, right = wrong.sort().values, right.contiguous()
    lower, not_higher = (torch.searchsorted(ordered, right, right=ties).double() for ties in (False, True))
    return float((lower + not_higher).mean()) / (2 * len(wrong))  # a tie is worth half


def _compare_with_bound(
    errors: ImageErrors, bound: torch.Tensor | None, *, failed: torch.Tensor
) -> dict[str, float | None]:
    if bound is None:
        return dict.fromkeys(("ratio", *(f"ratio, {name}" for name in GROUPS)))

    def compute(columns: slice) -> float:
        some = replace(errors, parameters=errors.parameters[:, columns])
        ratios = compute_ratio_to_bound(some, bound[:, columns, columns])
        return float(ratios[~failed].square().mean().sqrt())

    each = {f"ratio, {name}": compute(columns) for name, columns in _list_groups(errors).items()}
    return {"ratio": compute(slice(None)), **each}


def _check_error_bars(errors: ImageErrors, *, failed: torch.Tensor) -> dict[str, float]:
    scores = errors.parameters / errors.covariance.diagonal(dim1=-2, dim2=-1).sqrt()
    known = scores.isfinite().all(1)
    every, right = scores[known], scores[known & ~failed]
    low, high = _find_quantiles(every.flatten(), (0.1587, 0.8413))
    each = {f"z SD, {name}": _root_mean_square(right[:, columns]) for name, columns in _list_groups(errors).items()}
    return {
        "coverage 68 %": float((every.abs() < 1).double().mean()),
        "coverage 95 %": float((every.abs() < 1.96).double().mean()),
        "coverage 68 %, not failed": float((right.abs() < 1).double().mean()),
        "z SD": _root_mean_square(right),
        "z SD, all, robust": (high - low) / 2,
        **each,
    }


def _list_groups(errors: ImageErrors) -> dict[str, slice]:
    modes = len(errors.mode_numbers)
    return dict(zip(GROUPS, (slice(0, modes), slice(modes, modes + 3), slice(modes + 3, None)), strict=True))


def _root_mean_square(values: torch.Tensor) -> float:
    return float(values.square().mean().sqrt())


def _find_quantiles(values: torch.Tensor, shares: tuple[float, float]) -> tuple[float, float]:
    ordered = values.sort().values
    if not len(ordered):
        return math.nan, math.nan
    return tuple(float(ordered[min(int(share * len(ordered)), len(ordered) - 1)]) for share in shares)
