"""Files: the only folder that opens them. Every reader returns a noun, in A and radians."""
