"""What there is of a log behind a part that is missing."""

from soltrace.reading.files.parts import Gaps, is_behind_another


def test_a_part_is_waited_for_and_then_passed_over(tmp_path):
    """For as long as patience lasts, from when it was missed; one that comes in time is none that is missing."""
    now = [0.0]
    gaps = Gaps(30.0, lambda: now[0])
    first, second, third, fourth = (
        tmp_path / f"run{part}.jsonl" for part in ("", ".part0002", ".part0003", ".part0004")
    )
    first.touch()
    assert gaps.behind(first) is None
    packed = third.with_name(f"{third.name}.gz")
    for path in (packed, fourth):
        path.touch()
    assert (gaps.behind(first), is_behind_another(packed)) == (None, True)  # the listing is an old one
    now[0] = 10.0
    assert gaps.behind(first) is None
    now[0] = 39.0
    assert gaps.behind(first) is None
    now[0] = 40.0
    assert gaps.behind(first) == packed
    first.unlink()
    assert (is_behind_another(packed), is_behind_another(fourth)) == (False, True)

    assert [gaps.pass_over(first, packed), gaps.pass_over(first, packed)] == [1, 0]
    assert gaps.arrived() == {}
    second.touch()
    assert [gaps.arrived(), gaps.arrived()] == [{first: 1}, {}]
    gaps.read(second)
    assert (gaps.was_read(second), gaps.was_read(first), gaps.pass_over(first, packed)) == (True, False, 0)
