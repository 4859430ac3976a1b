#!/bin/sh
# What devcontainer.json has a container do: `create` when it is new, `update` for new packages.
set -eu

# The Feature starts the Nix daemon in the background: here it may not be there yet, and without it
# `nix` wants to write into /nix by itself.
/usr/local/share/nix-entrypoint.sh true
timeout 60 sh -c 'until [ -S /nix/var/nix/daemon-socket/socket ]; do sleep 1; done' || {
    echo 'The Nix daemon did not start within a minute: see /tmp/nix-daemon.log' >&2
    exit 1
}

case $1 in
    create)
        nix develop --command true
        # nix-direnv keeps what was evaluated, so that a new terminal is there at once.
        nix profile install --inputs-from . nixpkgs#direnv nixpkgs#nix-direnv
        grep -qs 'direnv hook' ~/.bashrc || echo 'eval "$(direnv hook bash)"' >>~/.bashrc
        ;;
    update) nix develop --command just setup ;;
esac
