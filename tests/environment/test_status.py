"""`status`: every process and its state."""

import re


def test_status_is_a_table(running):
    rows = [re.split(r" {2,}", line) for line in running.ok("status").splitlines()]
    assert rows[0] == ["PROCESS", "STATUS", "READY", "RESTARTS", "UP"]
    assert [row[:4] for row in rows[1:]] == [
        ["web", "Running", "yes", "0"],
        ["worker", "Running", "yes", "0"],
    ]
