"""Finds what failed, in the order in which it did, and for each failure what failed before it and caused it."""

from soltrace.report.ask import Asks, QueryRow
from soltrace.report.facts import Cause, Failure, Top


def find_failures(asks: Asks, limit: int) -> Top[Failure]:
    """Return the passes and experiments that failed first, at most `limit` of them."""
    passes = asks("failed_passes", limit=limit)
    experiments = asks("failed_experiments", limit=limit)
    rows = [_pass(row) for row in passes] + [_experiment(row) for row in experiments]
    total = sum(rows[0]["total"] for rows in (passes, experiments) if rows)
    return Top(sorted(rows, key=lambda failure: failure.at)[:limit], total)


def _pass(row: QueryRow) -> Failure:
    return Failure(
        what="pass",
        name=row["pass_id"],
        run_id=row["run_id"],
        experiment=row["experiment"],
        at=row["at"],
        result=row["result"],
        t=row["t"],
        progress=row["progress"],
        step=row["step"],
        cause=_cause_of_pass(row),
    )


def _cause_of_pass(row: QueryRow) -> Cause | None:
    if row["lane_index"] is not None:
        of = "" if row["forward_id"] is None else f" of {row['forward_id']}"
        name = ",".join(str(index) for index in row["lane_index"][:8]) + of
        return Cause("lane", name, row["lane_result"], row["lane_at"], row["lane_t"])
    if row["forward_id"] is not None:
        return Cause("forward pass", row["forward_id"], row["forward_result"], row["forward_at"], row["forward_t"])
    return None


def _experiment(row: QueryRow) -> Failure:
    cause = None
    if row["pass_id"] is not None:
        cause = Cause("pass", row["pass_id"], row["pass_result"], row["pass_at"], row["pass_t"])
    return Failure(
        what="experiment",
        name=row["experiment"],
        run_id=row["run_id"],
        experiment=row["experiment"],
        at=row["at"],
        result=row["result"],
        t=None,
        progress=None,
        step=None,
        cause=cause,
    )
