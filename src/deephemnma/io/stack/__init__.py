"""Image stacks on disk: where they lie, whether they are whole, images of them by number, and writing them."""
