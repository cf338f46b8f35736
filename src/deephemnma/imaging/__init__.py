"""How an image comes about: projectors and their derivatives, CTF, noise, synthesis."""
