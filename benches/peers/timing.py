"""Times calls of a peer, as `spn bench` times ours: warm-up, then the median of single calls."""

import json
import statistics
import sys
import time


def arguments():
    """What `compare.py` asks for: operation, rows of a batch, seconds, threads."""
    operation, batch, seconds, threads = sys.argv[1:5]
    return operation, int(batch), float(seconds), int(threads)


def report(call, batch, seconds):
    """Calls for so many seconds, at least five times, and prints rows per second as JSON."""
    start = time.perf_counter()
    calls = 0
    while calls < 3 or time.perf_counter() - start < seconds / 5:
        call()
        calls += 1
    times = []
    start = time.perf_counter()
    while len(times) < 5 or time.perf_counter() - start < seconds:
        before = time.perf_counter()
        call()
        times.append(time.perf_counter() - before)
    print(json.dumps({"rows_per_s": batch / statistics.median(times), "samples": len(times)}))
