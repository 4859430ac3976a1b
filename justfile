# The template's recipes run from here too, in template/; those below are this repository's own.
import 'template/justfile'

set working-directory := 'template'
set allow-duplicate-recipes # one that stands here takes the place of the template's

export PROJECT_NAME := env("PROJECT_NAME", "slipway")

[private]
default:
    @just --justfile "{{ justfile() }}" --list --unsorted

# Check the style of everything, and the types of what is in template/
[group('change')]
[working-directory('..')]
lint: _packages
    @ruff check .
    @ruff check --config ruff.toml template/.slipway
    @ruff format --check .
    @ruff format --check --config ruff.toml template/.slipway
    @cd template && mypy .

# Put everything into shape
[group('change')]
[working-directory('..')]
fmt: _packages
    @ruff check --fix --exit-zero .
    @ruff check --fix --exit-zero --config ruff.toml template/.slipway
    @ruff format .
    @ruff format --config ruff.toml template/.slipway

# Make a new project without Nix: just new ../shop celery
[group('generate')]
[no-cd]
new *args:
    @python3 "{{ justfile_directory() }}/generate.py" "$@"

# Bring a project to this version: just update ../shop
[group('generate')]
[no-cd]
update *args:
    @python3 "{{ justfile_directory() }}/update.py" "$@"

# Run the tests of what is not in template/, but for the long ones of faults; arguments go to pytest
[group('change')]
[working-directory('..')]
test-slipway *args: _packages
    @python -m pytest "$@"

# Run the tests of faults: killed workers, restarted servers, hung ones; options go to pytest (--all: long ones)
[group('change')]
test-faults *options: _packages
    @python -m pytest -c ../tests/faults/pytest.ini --rootdir ../tests/faults ../tests/faults "$@"

# Take the README's screenshot anew, with Chromium
[group('generate')]
[working-directory('..')]
screenshots: _packages
    @uv run --no-project --script docs/screenshots.py

# Measure: just bench [NAME] [PEERS] [--rounds N]; without a name, everything
[group('generate')]
[no-cd]
bench *args: _packages
    @uv run --no-project --script "{{ justfile_directory() }}/bench/bench.py" "$@"
