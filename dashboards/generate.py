"""Write the Grafana dashboards: `python dashboards/generate.py`, after each change of `dashboards/generator/`."""

import sys
from pathlib import Path
from typing import Final

from grafana_foundation_sdk.cog.encoder import JSONEncoder

from generator.cost import cost
from generator.experiments import experiments
from generator.health import health
from generator.one_pass import one_pass
from generator.runs import runs

HERE: Final = Path(__file__).parent / "grafana" / "dashboards"


def main(directory: Path = HERE) -> None:
    """Write each of them to a file of its own."""
    directory.mkdir(parents=True, exist_ok=True)
    for made in (experiments(), one_pass(), cost(), health(), runs()):
        written = JSONEncoder(sort_keys=True, indent=2, ensure_ascii=False).encode(made)
        (directory / f"{made.uid}.json").write_text(written + "\n", encoding="utf-8")


if __name__ == "__main__":
    main(*map(Path, sys.argv[1:]))
