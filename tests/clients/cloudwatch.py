"""Reads lines in the embedded metric format as CloudWatch does, and sums the metrics.

Writes one line of JSON: {namespace: {"dimension=value,...": {metric: {"unit", "sum", "count"}}}}. Fails at a line that
CloudWatch would drop, in whole or in part.
"""

import json
import sys
import time

MAX_LINE_BYTES = 1024 * 1024
MAX_METRICS = 100
MAX_VALUES = 100
MAX_DIMENSIONS = 30
TWO_WEEKS_MS, TWO_HOURS_MS = 14 * 86_400_000, 2 * 3_600_000


def number(value):
    assert isinstance(value, (int, float)) and not isinstance(value, bool), f"{value!r} is not a number"
    return value


sums = {}
for line in sys.stdin:
    assert len(line.encode()) <= MAX_LINE_BYTES
    document = json.loads(line)
    metadata = document["_aws"]
    age_ms = time.time() * 1000 - metadata["Timestamp"]
    assert -TWO_HOURS_MS < age_ms < TWO_WEEKS_MS, f"{age_ms} ms old"
    for directive in metadata["CloudWatchMetrics"]:
        assert len(directive["Metrics"]) <= MAX_METRICS
        for dimensions in directive["Dimensions"]:
            assert len(dimensions) <= MAX_DIMENSIONS
            for dimension in dimensions:
                assert isinstance(document[dimension], str) and document[dimension], f"dimension {dimension}"
            key = ",".join(f"{dimension}={document[dimension]}" for dimension in dimensions)
            metrics = sums.setdefault(directive["Namespace"], {}).setdefault(key, {})
            for metric in directive["Metrics"]:
                value = document[metric["Name"]]
                values = value if isinstance(value, list) else [value]
                assert 0 < len(values) <= MAX_VALUES, f"{len(values)} values of {metric['Name']}"
                total = metrics.setdefault(metric["Name"], {"unit": metric.get("Unit", "None"), "sum": 0, "count": 0})
                assert total["unit"] == metric.get("Unit", "None"), f"two units of {metric['Name']}"
                total["sum"] += sum(number(value) for value in values)
                total["count"] += len(values)
print(json.dumps(sums))
