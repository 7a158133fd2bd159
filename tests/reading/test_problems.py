from soltrace.reading.problems import Problems


def test_nothing_skipped_is_nothing_said():
    """A reader who lost nothing is not told anything."""
    assert Problems().summary() is None


def test_skipped_lines_are_counted_by_reason():
    """One line says how many, why, and where to look."""
    problems = Problems()

    problems.add("not JSON", "run.jsonl:7")
    assert problems.summary() == "1 line was skipped: 1 not JSON (first: run.jsonl:7)"

    problems.add("not UTF-8", "run.jsonl:9")
    problems.add("not JSON", "run.jsonl:12")
    assert problems.summary() == "3 lines were skipped: 2 not JSON, 1 not UTF-8 (first: run.jsonl:7)"
    assert problems.total == 3


def test_a_file_cannot_make_reasons_grow():
    """Reasons that carry names out of the file are bounded, and harmless."""
    problems = Problems()

    for i in range(100):
        problems.add(f"of the unknown event {i}\x1b[2J", "x:1")

    assert problems.total == 100
    kinds = "".join(f"1 of the unknown event {i}\\x1b[2J, " for i in range(8))
    assert problems.summary() == f"100 lines were skipped: {kinds}92 of other kinds (first: x:1)"
