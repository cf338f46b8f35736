"""What was found of one matter: a verdict, a sentence, and the figures behind it."""

import textwrap
from collections.abc import Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

WIDTH = 116
GO = "go"


class Verdict(StrEnum):
    """What a finding asks for."""

    OK = "ok"
    """Nothing."""
    NOTE = "note"
    """To be known; the later stages cope with it."""
    FIX = "fix"
    """To be mended first: what follows would be wrong, or in vain."""


@dataclass(frozen=True)
class Finding:
    """One matter that was looked at.

    Attributes
    ----------
    name
        The matter, in a word or two.
    verdict
        How it stands.
    sentence
        What was measured, what was expected, what to do.
    figures
        The same for machines.
    """

    name: str
    verdict: Verdict
    sentence: str
    figures: dict[str, Any] = field(default_factory=dict)


def conclude(findings: Sequence[Finding]) -> str:
    """Return "go", or what is to be mended first."""
    wrong = [finding.name for finding in findings if finding.verdict is Verdict.FIX]
    return f"fix this first: {', '.join(wrong)}" if wrong else GO


def format_findings(findings: Sequence[Finding], *, commands: Sequence[str]) -> str:
    """Return the findings as text, the verdict and the next command lines at the end."""
    column = max(len(finding.name) for finding in findings)
    lines = []
    for finding in findings:
        head = f"{finding.verdict:<5} {finding.name:<{column}}  "
        lines += textwrap.wrap(
            finding.sentence,
            WIDTH,
            initial_indent=head,
            subsequent_indent=" " * len(head),
            break_long_words=False,
            break_on_hyphens=False,
        )
    lines += ["", f"verdict: {conclude(findings)}"]
    if commands:
        head = "next:" if conclude(findings) == GO else "then, or first where one of these mends it:"
        lines += ["", head, *(f"  {command}" for command in commands)]
    return "\n".join(lines)


def choose_verdict(value: float, *, note: float, fix: float) -> Verdict:
    """Return the verdict on a value that should be small: fine below `note`, to be mended from `fix` on."""
    if value >= fix:
        return Verdict.FIX
    return Verdict.NOTE if value >= note else Verdict.OK
