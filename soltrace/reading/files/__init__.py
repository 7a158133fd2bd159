"""Where lines come from: files that grow, appear, rotate, are compressed or go."""
