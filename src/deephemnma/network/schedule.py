"""Learning rates as a function of the step."""

import math

from deephemnma.settings.train import Schedule

WARM_UP = 0.15
"""Share of a one-cycle training in which the rate rises."""
N_STAIRS = 5
"""The paper divides the rate by 10 every 80 of 400 epochs."""
START = 0.04


def compute_learning_rate(step: int, n_steps: int, *, peak: float, schedule: Schedule) -> float:
    """Return the learning rate of `step` (from 0): one cycle of cosines (Smith & Topin 2018), or stairs."""
    done = step / max(1, n_steps)
    if schedule == "steps":
        return peak * 0.1 ** int(done * N_STAIRS)
    if done < WARM_UP:
        rise = done / WARM_UP
        return peak * (START + (1 - START) * (1 - math.cos(math.pi * rise)) / 2)
    fall = (done - WARM_UP) / (1 - WARM_UP)
    return peak * (1 + math.cos(math.pi * fall)) / 2
