{
  description = "A Django project and its tools";

  inputs.nixpkgs.url = "github:NixOS/nixpkgs/nixpkgs-unstable";

  outputs =
    { nixpkgs, ... }:
    let
      eachSystem =
        outputs:
        nixpkgs.lib.genAttrs [
          "x86_64-linux"
          "aarch64-linux"
          "aarch64-darwin"
        ] (system: outputs nixpkgs.legacyPackages.${system});

      # services/*.nix name the programs that the servers in services/*.yaml need.
      services = map (file: import (./services + "/${file}")) (
        builtins.filter (file: builtins.match ".*\\.nix" file != null) (
          builtins.attrNames (builtins.readDir ./services)
        )
      );

      # Python packages are the wheels of uv.lock. On Linux, some of them expect libstdc++ and
      # zlib where Nix's Python does not look, so this Python brings both. It does so for itself
      # only: an exported LD_LIBRARY_PATH would reach, and break, programs from outside of Nix.
      python =
        pkgs:
        pkgs.symlinkJoin {
          name = "python";
          paths = [ pkgs.python313 ];
          nativeBuildInputs = [ pkgs.patchelf ];
          postBuild = ''
            rm -rf $out/nix-support # sets PYTHONPATH, which leaks into the virtual environment
          ''
          + pkgs.lib.optionalString pkgs.stdenv.hostPlatform.isLinux ''
            install -m 755 ${pkgs.python313}/bin/python3.13 $out/bin/python3.13
            patchelf $out/bin/python3.13 \
              --add-needed ${pkgs.lib.getLib pkgs.stdenv.cc.cc}/lib/libstdc++.so.6 \
              --add-needed ${pkgs.zlib}/lib/libz.so.1
          '';
        };

      # Programs that come as wheels, such as ruff, want a loader that NixOS does not have. They get
      # Nix's, each time that packages were installed. As copies: uv's cache has links to them.
      adaptWheels =
        pkgs:
        pkgs.writeShellScriptBin "adapt-wheels" ''
          PATH=${pkgs.patchelf}/bin:$PATH
          for program in "$1"/*; do
            [ ! -L "$program" ] || continue # Python, which is Nix's own
            case $(patchelf --print-interpreter "$program" 2> /dev/null) in
              /lib*)
                cp "$program" "$program.new"
                patchelf --set-interpreter ${pkgs.stdenv.cc.bintools.dynamicLinker} \
                  --set-rpath ${pkgs.lib.getLib pkgs.stdenv.cc.cc}/lib "$program.new"
                mv "$program.new" "$program"
                ;;
            esac
          done
        '';
    in
    {
      devShells = eachSystem (pkgs: {
        default = pkgs.mkShellNoCC {
          meta.description = "The tools of this project";
          packages = [
            (python pkgs)
            pkgs.uv
            pkgs.just
            pkgs.process-compose
          ]
          ++ builtins.concatMap (programs: programs pkgs) services
          ++ pkgs.lib.optional pkgs.stdenv.hostPlatform.isLinux (adaptWheels pkgs);

          env = {
            UV_PYTHON = "${python pkgs}/bin/python3.13";
            UV_PYTHON_DOWNLOADS = "never";
          };

          shellHook = ''
            # `sh dev` says where the project is. Otherwise it is this folder or one above it.
            if [ -n "''${DEV_TOOLS-}" ] || [ -z "''${DEV_ROOT-}" ]; then
              DEV_ROOT=$PWD
              until [ -e "$DEV_ROOT/manage.py" ] || [ -z "$DEV_ROOT" ]; do
                DEV_ROOT=''${DEV_ROOT%/*}
              done
            fi
            # It says besides that this is development: config/settings/base.py asks for it.
            export DEV_ROOT DEV_TOOLS=nix
            export PATH="$DEV_ROOT/.venv/bin:$PATH"
            [ -n "$DEV_ROOT" ] ||
              echo "There is no manage.py in $PWD or above: run nix develop inside the project." >&2
          '';
        };
      });
    };
}
