"""The commands of the environment: `python3 .slipway up`, `wait`, `status`, …"""

import sys

# Said before anything is imported that needs it.
if sys.version_info < (3, 11):  # noqa: UP036
    sys.exit(f"Python 3.11 or later is needed; {sys.executable} is {sys.version.split()[0]}.")

import argparse
import os

from slipway import (
    Problem,
    client,
    debug,
    doctor,
    down,
    logs,
    packages,
    processes,
    project,
    status,
    wait,
)
from slipway import up as start


def main(arguments: list[str]) -> int:
    """Run one command and return its exit code."""
    os.chdir(project.ROOT)
    try:
        if arguments[:1] == ["up"] and not {"-h", "--help"} & set(arguments):
            return start.up(arguments[1:])  # all options are process-compose's
        options = _parser().parse_args(arguments)
        code = options.run(options)
        sys.stdout.flush()
        return code
    except Problem as problem:
        print(problem, file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return 130
    except BrokenPipeError:  # as in `just doctor | head`
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 141


def setup(always: bool) -> int:
    """Install the Python packages. Returns the exit code."""
    env = project.environment()
    install = packages.install if always else packages.ensure
    install(env, is_running=lambda: client.processes(env["PC_SOCKET_PATH"]) is not None)
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python3 .slipway", description="Run the project's processes."
    )
    commands = parser.add_subparsers(dest="command", required=True)

    commands.add_parser(
        "up",
        help="start everything; -D: in the background; a name: only that and what it needs; "
        "all other options are process-compose's",
    )

    wait_parser = commands.add_parser("wait", help="wait until everything is ready")
    wait_parser.add_argument("--timeout", type=float, default=120, help="seconds (default: 120)")
    wait_parser.set_defaults(run=lambda options: wait.wait(options.timeout))

    down_parser = commands.add_parser("down", help="stop everything; the data is kept")
    down_parser.set_defaults(run=lambda _: down.down())

    status_parser = commands.add_parser("status", help="show every process")
    status_parser.add_argument("-o", "--output", choices=["table", "json"], default="table")
    status_parser.set_defaults(run=lambda options: status.status(options.output == "json"))

    logs_parser = commands.add_parser("logs", help="show the log of a process, or all")
    logs_parser.add_argument("name", nargs="?")
    logs_parser.add_argument("-n", "--lines", type=int, default=50, help="how many (default: 50)")
    logs_parser.add_argument("-f", "--follow", action="store_true", help="go on with new lines")
    logs_parser.set_defaults(
        run=lambda options: logs.logs(options.name, options.lines, options.follow)
    )

    restart = commands.add_parser("restart", help="restart a process")
    restart.add_argument("names", nargs="+", metavar="name")
    restart.set_defaults(run=lambda options: processes.restart(options.names))

    scale = commands.add_parser("scale", help="run several of a worker")
    scale.add_argument("name")
    scale.add_argument("replicas", type=int, metavar="N")
    scale.set_defaults(run=lambda options: processes.scale(options.name, options.replicas))

    debug_parser = commands.add_parser("debug", help="run a process here, for a debugger")
    debug_parser.add_argument("name")
    debug_parser.set_defaults(run=lambda options: debug.debug(options.name))

    setup_parser = commands.add_parser("setup", help="install the Python packages")
    setup_parser.add_argument("--if-needed", action="store_true", help="only after a change")
    setup_parser.set_defaults(run=lambda options: setup(always=not options.if_needed))

    doctor_parser = commands.add_parser("doctor", help="show what is there and what is missing")
    doctor_parser.set_defaults(run=lambda _: doctor.doctor())
    return parser


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
