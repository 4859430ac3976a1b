"""The commands of the environment: `python3 .slipway up`, `wait`, `status`, …"""

import sys

# Said before anything is imported that needs it.
if sys.version_info < (3, 11):  # noqa: UP036
    sys.exit(f"Python 3.11 or later is needed; {sys.executable} is {sys.version.split()[0]}.")

import argparse
import os
from collections.abc import Callable

from slipway import Problem, client, debug, doctor, down, logs, packages, processes, project
from slipway import up as start
from slipway.status import status
from slipway.wait import wait


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
    """Install the Python packages, *always* or only after a change. Returns the exit code."""
    env = project.environment()
    if always or not packages.is_current():
        packages.install(env, lambda: client.processes(env["PC_SOCKET_PATH"]) is not None)
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python3 .slipway", description="Run the project's processes."
    )
    commands = parser.add_subparsers(dest="command", required=True)

    def command(name: str, text: str, run: Callable | None = None) -> Callable:
        added = commands.add_parser(name, help=text)
        added.set_defaults(run=run)
        return added.add_argument

    command("up", "start everything (-D: in the background; a name: only that)")
    argument = command("wait", "wait until everything is ready", lambda o: wait(o.timeout))
    argument("--timeout", type=float, default=120, help="seconds (default: 120)")
    command("down", "stop everything; the data is kept", lambda _: down.down())
    argument = command("status", "show every process", lambda o: status(o.output == "json"))
    argument("-o", "--output", choices=["table", "json"], default="table")
    argument = command("logs", "show the logs", lambda o: logs.logs(o.name, o.lines, o.follow))
    argument("name", nargs="?")
    argument("-n", "--lines", type=int, default=50, help="how many (default: 50)")
    argument("-f", "--follow", action="store_true", help="go on with new lines")
    argument = command("restart", "restart a process", lambda o: processes.restart(o.names))
    argument("names", nargs="+", metavar="name")
    argument = command("scale", "run N of a worker", lambda o: processes.scale(o.name, o.replicas))
    argument("name")
    argument("replicas", type=int, metavar="N")
    argument = command("debug", "run a process here, for a debugger", lambda o: debug.debug(o.name))
    argument("name")
    argument = command("setup", "install the packages", lambda o: setup(always=not o.if_needed))
    argument("--if-needed", action="store_true", help="only after a change")
    command("doctor", "show what is there and what is missing", lambda _: doctor.doctor())
    return parser


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
