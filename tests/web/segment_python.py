"""Segment's own client for Python, unmodified, telling a shop's events in three parts.

    python segment_python.py HOST KEY COUNT

Writes "under way" to stdout when the first messages of a part have left its queue, and tells the
next part after a line on stdin. In the end it writes, as JSON, how many failed and why. A process
of its own, because the client works in a thread that only ends with it.
"""

from __future__ import annotations

import json
import sys
import time

from segment.analytics import Client

BATCH = 20


def main(host, key, count):
    failed, reasons = [], set()

    def on_error(error, batch):
        failed.extend(message["messageId"] for message in batch)
        reasons.add(str(error))

    client = Client(
        key, host=host, gzip=True, on_error=on_error, max_queue_size=2 * count, upload_size=BATCH
    )
    for part in range(3):
        for n in range(part * count // 3, (part + 1) * count // 3):
            taken, _ = client.track(
                f"python-{n % 40}",
                "Product Viewed",
                {"product_id": f"p{n % 7}", "price": 12.5, "currency": "EUR"},
                message_id=f"python/{n}",
            )
            assert taken, "the queue is full"
        if part == 2:
            break
        # One batch is with the client; when the second is, the first has been answered.
        left = client.queue.qsize() - 2 * BATCH
        while client.queue.qsize() > left:
            time.sleep(0.002)
        print("under way", flush=True)
        sys.stdin.readline()
    client.shutdown()
    print(json.dumps({"answered": count, "failed": failed, "reasons": sorted(reasons)}))


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], int(sys.argv[3]))
