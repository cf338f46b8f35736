"""The stages, and the run folder that keeps what they make."""
