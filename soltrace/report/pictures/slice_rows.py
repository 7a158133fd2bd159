"""Which of several rows a slice goes to, so that no two on one row overlap: viewers take overlaps for calls."""


class Rows:
    """The rows of one track. Slices are placed in the order of their starts."""

    def __init__(self, *, nests: bool = False) -> None:
        """Args: nests: Whether a slice may lie within another on the same row, as a call does."""
        self._nests = nests
        self._open: list[list[int]] = []

    def place(self, start: int, end: int) -> int:
        """Return the first row, from 0, that has room from a start to an end."""
        for row, ends in enumerate(self._open):
            while ends and ends[-1] <= start:
                ends.pop()
            if not ends or (self._nests and end <= ends[-1]):
                ends.append(end)
                return row
        self._open.append([end])
        return len(self._open) - 1
