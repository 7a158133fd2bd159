"""The measurements: pelts of hares and lynxes that the Hudson's Bay Company collected. The file names its source."""

import csv
from dataclasses import dataclass
from importlib import resources
from typing import Final, Self

_FILE: Final = "data/lynx_hare.csv"


@dataclass(frozen=True)
class Pelts:
    """One number for each animal and year."""

    years: tuple[float, ...]
    """Of the calendar."""
    hares: tuple[float, ...]
    """Thousands of pelts."""
    lynxes: tuple[float, ...]
    """Thousands of pelts."""

    @classmethod
    def load(cls) -> Self:
        """Read the file that is shipped with the package."""
        text = resources.files("soltrace").joinpath(_FILE).read_text(encoding="utf-8")
        rows = list(csv.DictReader(line for line in text.splitlines() if not line.startswith("#")))
        years, hares, lynxes = (tuple(float(row[name]) for row in rows) for name in ("year", "hare", "lynx"))
        return cls(years, hares, lynxes)
