"""The report of a run: one HTML page that needs no network, and its error table for the terminal."""
