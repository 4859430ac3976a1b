"""Shows every process of the running stack and its state."""

import json
from dataclasses import asdict
from datetime import timedelta

from slipway import client, orphans, project


def status(as_json: bool) -> int:
    """Print every process and its state. Returns the exit code: 1 if nothing runs."""
    socket = project.environment()["PC_SOCKET_PATH"]
    processes = client.processes(socket)
    if as_json:
        print(json.dumps([asdict(process) for process in processes or []], indent=2))
    elif processes is None:
        print(orphans.nothing_runs(socket))
    else:
        rows = [("PROCESS", "STATUS", "READY", "RESTARTS", "UP")]
        for p in processes:
            ready = "-" if p.status == "Disabled" else "yes" if p.ready else "no"
            uptime = timedelta(seconds=int(p.uptime))
            rows.append((p.name, p.status, ready, str(p.restarts), str(uptime)))
        widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
        for row in rows:
            print("  ".join(map(str.ljust, row, widths)).rstrip())
    return 1 if processes is None else 0
