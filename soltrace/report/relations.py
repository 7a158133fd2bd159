"""What questions are asked of beside the records, whoever holds these.

Each is the SQL of one file, made of those before it. DuckDB and Spark differ in where `records` and `attempted` come
from, and in nothing else.
"""

from typing import Final

TOLD: Final = ("replaced", "told_passes", "told_experiments")
"""What the records tell alone. They are kept, for most questions come down to them."""
JUDGED: Final = ("passes", "experiments", "experiment_sums", "busy", "reports", "step_counts")
"""What is known once `soltrace.report.lost_runs` has noted which runs are lost."""
