"""Where lines come from: files that grow, appear, are rotated, compressed or deleted."""
