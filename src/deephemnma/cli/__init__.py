"""The command line: one short file a command, which turns settings into a call and knows no science."""
