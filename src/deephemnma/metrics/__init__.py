"""Numbers that say how good a result is: angles, amplitudes, displacements, error bars, Fourier shells."""
