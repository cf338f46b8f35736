"""The nouns, rotations, Fourier grids, constants and errors that every other folder speaks in."""
