# The template's commands run from here too: each recipe of template/justfile stands here with
# the same name, and hands over its arguments as they are. tests/test_justfile.py compares them.

set no-exit-message
set positional-arguments

export PROJECT_NAME := env("PROJECT_NAME", "slipway")

template := "just --justfile '" + justfile_directory() / "template/justfile'"

[private]
default:
    @just --justfile "{{ justfile() }}" --list --unsorted

# Start everything (-D: in the background; a name: only that and what it needs)
[group('run')]
up *args:
    @{{ template }} up "$@"

# Wait until everything is ready (--timeout SECONDS)
[group('run')]
wait *args:
    @{{ template }} wait "$@"

# Stop everything; the data stays in .data/
[group('run')]
down:
    @{{ template }} down

# Show what runs and whether it is ready (-o json)
[group('look')]
status *args:
    @{{ template }} status "$@"

# Show the log of a process, or of all (-f: go on, -n LINES)
[group('look')]
logs *args:
    @{{ template }} logs "$@"

# Say what is installed, which ports are free, and what to do
[group('look')]
doctor:
    @{{ template }} doctor

# Restart a process
[group('run')]
restart +names:
    @{{ template }} restart "$@"

# Run N of a worker, where one is not enough
[group('run')]
scale name n:
    @{{ template }} scale "$@"

# Run a process of the stack in this terminal, where breakpoint() works
[group('change')]
debug name:
    @{{ template }} debug "$@"

# Run the tests; arguments go to pytest
[group('change')]
test *args:
    @{{ template }} test "$@"

# Check the code's style
[group('change')]
lint:
    @{{ template }} lint
    @template/.venv/bin/ruff check generate.py tests bench docs
    @template/.venv/bin/ruff format --check generate.py tests bench docs

# Put the code into shape
[group('change')]
fmt:
    @{{ template }} fmt
    @template/.venv/bin/ruff check --fix generate.py tests bench docs
    @template/.venv/bin/ruff format generate.py tests bench docs

# Run a command of Django's: just manage makemigrations
[group('change')]
manage *args:
    @{{ template }} manage "$@"

# Record a workflow's history, which the tests replay: just record-history order-42
[group('change')]
record-history id *name:
    @{{ template }} record-history "$@"

# Open a Python shell with the models loaded
[group('change')]
shell:
    @{{ template }} shell

# Install the Python packages of uv.lock
[group('change')]
setup:
    @{{ template }} setup

# Lay down a new project without Nix: just new ../shop celery
[group('generate')]
[no-cd]
new *args:
    @python3 "{{ justfile_directory() }}/generate.py" "$@"

# Run the tests of the generator, with a real Nix; arguments go to pytest
[group('generate')]
test-generator *args: setup
    @template/.venv/bin/python -m pytest tests "$@"

# Take the README's screenshot anew, with Chromium
[group('generate')]
screenshots: setup
    @uv run --no-project --script docs/screenshots.py

# Run a benchmark of bench/: just bench generate PEERS
[group('generate')]
bench name *args:
    @shift; uv run --no-project "bench/{{ name }}.py" "$@"
