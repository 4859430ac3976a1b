# Stands in for nixpkgs where that cannot be fetched: the attributes that the flakes use, each a
# link to this machine's own program. An attribute that is not here fails, as one that nixpkgs
# does not have. The programs are looked for on PATH when they are built, hence --impure; in a pure
# evaluation there is no PATH, and they are looked for in /stand-in/bin (see clean_root.py).
{
  description = "A stand-in for nixpkgs";

  outputs =
    { self }:
    let
      systems = [
        "x86_64-linux"
        "aarch64-linux"
        "aarch64-darwin"
      ];

      lib = {
        genAttrs =
          names: value:
          builtins.listToAttrs (
            map (name: {
              inherit name;
              value = value name;
            }) names
          );
        makeBinPath = packages: builtins.concatStringsSep ":" (map (package: "${package}/bin") packages);
        getLib = package: package;
        optional = condition: element: if condition then [ element ] else [ ];
        optionalString = condition: text: if condition then text else "";
      };

      packagesFor =
        system:
        let
          path =
            let
              path = builtins.getEnv "PATH";
            in
            if path != "" then path else "/stand-in/bin:/usr/bin:/bin";

          build =
            name: script: attributes:
            derivation (
              {
                inherit name system;
                builder = "/bin/bash";
                # Nix kills a builder whose output is closed, as by an ln that ends: end in bash.
                args = [
                  "-euc"
                  "${script}\nexit"
                ];
                outputs = [ "out" ];
                PATH = path;
              }
              // attributes
            );

          program = package: name: programs package [ name ];
          programs =
            package: names:
            build package ''
              mkdir -p $out/bin
              for name in $names; do
                path=$(type -P $name) || { echo "${package}: this machine has no $name on PATH" >&2; exit 1; }
                ln -s "$path" $out/bin/$name
              done
            '' { inherit names; };

          libraries = build "libraries" ''
            mkdir -p $out/lib
            for name in libstdc++.so.6 libz.so.1; do
              ln -s "$(ldconfig -p | grep -m 1 -o "/.*/$name")" $out/lib/$name
            done
            ln -s /lib*/ld-linux-*.so.? $out/lib/loader
          '' { PATH = "/usr/sbin:/sbin:${path}"; };

          mkShellNoCC =
            attributes:
            build "nix-shell" "echo a shell > $out" (
              removeAttrs attributes [
                "packages"
                "env"
                "meta"
              ]
              // attributes.env
              // {
                nativeBuildInputs = attributes.packages;
                stdenv = build "stdenv" ''
                  mkdir $out
                  cat > $out/setup <<'EOF'
                  for input in $nativeBuildInputs; do
                    PATH=$input/bin:$PATH
                    [ ! -e $input/nix-support/setup-hook ] || source $input/nix-support/setup-hook
                  done
                  EOF
                '' { };
              }
            )
            // {
              meta = attributes.meta or { };
              overrideAttrs = change: mkShellNoCC (attributes // change attributes);
            };
        in
        {
          inherit lib mkShellNoCC;
          bashInteractive = program "bash-interactive" "bash";
          direnv = program "direnv" "direnv";
          just = program "just" "just";
          # As the real one: it keeps the environment, and evaluates again when a watched file changes.
          nix-direnv = build "nix-direnv" ''
            mkdir -p $out/share/nix-direnv
            cat > $out/share/nix-direnv/direnvrc <<'EOF'
            use_flake() {
              watch_file flake.nix flake.lock
              local kept file
              kept=$(direnv_layout_dir)/stand-in
              for file in flake.nix flake.lock; do
                [ "$kept" -nt "$file" ] || kept=
              done
              if [ -z "$kept" ]; then
                kept=$(direnv_layout_dir)/stand-in
                mkdir -p "$(direnv_layout_dir)"
                nix print-dev-env > "$kept"
              fi
              eval "$(< "$kept")"
            }
            EOF
          '' { };
          patchelf = program "patchelf" "patchelf";
          postgresql_18 = programs "postgresql-18" [
            "initdb"
            "postgres"
            "psql"
          ];
          process-compose = program "process-compose" "process-compose";
          redis = program "redis" "redis-server";
          stdenv = {
            cc.cc = libraries;
            cc.bintools.dynamicLinker = "${libraries}/lib/loader";
            hostPlatform.isLinux = builtins.match ".*-linux" system != null;
          };
          # Pretends, as this machine has none: the files are in shape where nixfmt has run.
          nixfmt = build "nixfmt" ''
            mkdir -p $out/bin
            printf '#!/bin/bash\necho "$@"\n' > $out/bin/nixfmt
            chmod +x $out/bin/nixfmt
          '' { };
          runCommand =
            name: attributes: text:
            build name ''
              for input in $nativeBuildInputs; do PATH=$input/bin:$PATH; done
              ${text}'' (removeAttrs attributes [ "meta" ])
            // {
              meta = attributes.meta or { };
            };
          symlinkJoin =
            attributes@{
              name,
              paths,
              postBuild,
              ...
            }:
            build name
              ''
                mkdir $out
                for input in $nativeBuildInputs; do PATH=$input/bin:$PATH; done
                for path in $paths; do cp --recursive --symbolic-link --no-preserve=mode $path/. $out; done
                eval "$postBuild"
              ''
              attributes;
          temporal-cli = program "temporal-cli" "temporal";
          uv = program "uv" "uv";
          writeShellScriptBin =
            name: text:
            build name ''
              mkdir -p $out/bin
              printf '#!/bin/bash\n%s' "$text" > $out/bin/${name}
              chmod +x $out/bin/${name}
            '' { inherit text; };
          zlib = libraries;

          # The machine's newest Python with its standard library, so that what the flakes do to
          # it is done for real.
          python313 = build "python3-3.13" ''
            for python in python3.13 python3; do
              prefix=$($python -c 'import sys; print(sys.base_prefix)') && break
            done
            mkdir -p $out/bin $out/nix-support
            echo 'export PYTHONPATH=/leaked' > $out/nix-support/setup-hook
            ln -s "$prefix/lib" $out/lib
            cp -L "$prefix/bin/python3" $out/bin/python3.13
            ln -s python3.13 $out/bin/python3
          '' { };
        };
    in
    {
      inherit lib;
      legacyPackages = lib.genAttrs systems packagesFor;
    };
}
