"""Formats and settings by which other programs read the log well: data files, for `soltrace formats`."""
