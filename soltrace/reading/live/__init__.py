"""The live view: a row per open pass on a terminal, drawn from records alone, and steered by keys."""
