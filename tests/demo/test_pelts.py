"""The measurements are those of the file."""

from soltrace.demo.pelts import Pelts


def test_the_pelts():
    """21 years, hares before lynxes, in thousands."""
    pelts = Pelts.load()
    assert pelts.years == tuple(float(year) for year in range(1900, 1921))
    assert (pelts.hares[0], pelts.lynxes[0]) == (30.0, 4.0)
    assert (pelts.hares[-1], pelts.lynxes[-1]) == (24.7, 8.6)
    assert (len(pelts.hares), len(pelts.lynxes)) == (21, 21)
