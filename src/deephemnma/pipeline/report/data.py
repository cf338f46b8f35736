"""What a report tells of; whatever is absent has no section."""

import math
from collections.abc import Mapping
from dataclasses import dataclass, field

import pandas as pd
from jaxtyping import Float
from torch import Tensor

from deephemnma.core.estimates import Estimates
from deephemnma.core.landscape import Landscape
from deephemnma.core.structure import DensityMap
from deephemnma.metrics.calibration import Calibration, compute_calibration, compute_ratio_to_bound
from deephemnma.metrics.error import ImageErrors, compute_errors, match_names
from deephemnma.metrics.fsc import ShellCurve
from deephemnma.metrics.summary import ErrorSummary, FailureRule, summarize_errors

WITHIN_REACH = FailureRule(deviations=None, angle=math.radians(15.0), displacement=2.0)
"""For predictions that will be refined: what local refinement still brings to the bound (measured: starts 15 degrees
and 80 A of amplitude, 2 A of displacement, off all converged)."""


@dataclass(frozen=True)
class Comparison:
    """One row of the error tables: found estimates against truth, or another method's (:func:`make_comparison`).

    Attributes
    ----------
    label
        Such as "refined against truth".
    errors, summary
        Of the images that both have.
    ratios
        Each image's error in units of the Cramer-Rao bound, or None where no bound is known.
    calibration
        Of the error bars, or None where there are none.
    """

    label: str
    errors: ImageErrors
    summary: ErrorSummary
    ratios: Float[Tensor, "images"] | None
    calibration: Calibration | None


@dataclass(frozen=True)
class GroupMap:
    """The map of a group of images.

    Attributes
    ----------
    number
        Of the group in the landscape, from 0; people see it from 1.
    n_images
        In the group.
    density
        Of all its images.
    halves
        Fourier shell correlation of its half-maps.
    model
        Of the map with that of the model at the group's centroid, or None.
    """

    number: int
    n_images: int
    density: DensityMap
    halves: ShellCurve
    model: ShellCurve | None = None

    @property
    def label(self) -> str:
        """What people call the group."""
        return str(self.number + 1)


@dataclass(frozen=True)
class StageCost:
    """What a stage cost: wall-clock and CPU seconds, and for how many images (None where it has none)."""

    stage: str
    wall_seconds: float
    cpu_seconds: float
    n_images: int | None = None


@dataclass(frozen=True)
class ViewSurvey:
    """What `deephemnma observability` foretold: its table with one row a mode, and its picture, a PNG."""

    modes: pd.DataFrame
    picture: bytes


@dataclass(frozen=True)
class ModeChoice:
    """What `deephemnma modes` told: its table with one row a mode, its picture, a PNG, and why modes are proposed."""

    modes: pd.DataFrame
    picture: bytes
    reason: str


@dataclass(frozen=True)
class ReportData:
    """All that a report can show.

    Attributes
    ----------
    title
        Of the page.
    facts
        What was run, name by name ("reference": "4AKE, 1,656 atoms"), in the order to be shown.
    estimates
        Sets to draw over the space of the modes, such as "estimated", "predicted", "refined"; with the same modes.
    truth
        Of the images in `estimates`, matched by name.
    comparisons
        Rows of the error tables.
    beside_paper
        Whether the paper's figures for adenylate kinase stand beside the rows.
    training_log
        One row an entry of the log: ``images``, ``loss``, and if there are such, ``validation_loss`` and parts of the
        loss (``loss_...``) and ``validation_median_angle_deg``; empty cells are NaN.
    landscape
        The space, with groups.
    group_maps
        One a group, in the order of the group numbers.
    costs
        One a stage, in the order they ran.
    survey
        Which modes can be seen from which view.
    choice
        What the modes are like, and which are proposed.
    remarks
        Sentences for the head of the page, such as the share of images that fell back to the search.
    """

    title: str
    facts: Mapping[str, str]
    estimates: Mapping[str, Estimates] = field(default_factory=dict)
    truth: Estimates | None = None
    comparisons: tuple[Comparison, ...] = ()
    beside_paper: bool = False
    training_log: pd.DataFrame | None = None
    landscape: Landscape | None = None
    group_maps: tuple[GroupMap, ...] = ()
    costs: tuple[StageCost, ...] = ()
    remarks: tuple[str, ...] = ()
    survey: ViewSurvey | None = None
    choice: ModeChoice | None = None


def make_comparison(
    label: str,
    found: Estimates,
    truth: Estimates,
    *,
    n_sites: int,
    positions: Float[Tensor, "sites 3"] | None = None,
    bound: Float[Tensor, "images parameters parameters"] | None = None,
    symmetry: str = "C1",
    rule: FailureRule | None = None,
) -> Comparison:
    """Compare `found` with `truth`, matched by image name, in every way the report shows.

    Parameters
    ----------
    label
        Name of the row.
    found, truth
        Estimates with the same modes.
    n_sites, positions
        Sites of the model, and their coordinates about its centre, A.
    bound
        Cramer-Rao covariance, a row for each image of `truth`.
    symmetry
        Point group modulo which orientations are compared.
    rule
        When an image counts as failed; :class:`FailureRule` as it comes if None, :data:`WITHIN_REACH` for predictions.
    """
    errors = compute_errors(found, truth, symmetry=symmetry)
    ratios = bound_sd = None
    if bound is not None:
        bound = bound[match_names(found.names, truth.names)[1]].double()
        ratios, bound_sd = compute_ratio_to_bound(errors, bound), bound.diagonal(dim1=-2, dim2=-1).sqrt()
    summary = summarize_errors(
        errors, n_sites=n_sites, positions=positions, bound_sd=bound_sd, rule=rule or FailureRule()
    )
    calibration = compute_calibration(errors)
    return Comparison(label, errors, summary, ratios, calibration if len(calibration.z_scores) else None)
