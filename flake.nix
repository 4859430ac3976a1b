{
  description = "Django with background tasks that run on the first day: Celery, Temporal, or both";

  inputs.nixpkgs.url = "github:NixOS/nixpkgs/nixpkgs-unstable";

  outputs =
    { self, nixpkgs }:
    let
      project = (import ./template/flake.nix).outputs { inherit self nixpkgs; };

      # The templates are made with Nix alone: `nix flake init` must not fetch nixpkgs.
      parts = builtins.fromTOML (builtins.readFile ./parts.toml);
      names = builtins.attrNames parts;
      backends = builtins.filter (name: parts.${name}.kind == "backend") names;
      ofDefault = builtins.filter (name: parts.${name}.default or false) names;

      listed = builtins.concatStringsSep ", ";
      # As listed, but with "and" before the last.
      told =
        list:
        let
          parts = builtins.match "(.*), (.*)" (listed list);
        in
        if parts == null then listed list else builtins.concatStringsSep " and " parts;
      titles = map (name: parts.${name}.title);
      eachOf =
        list: prefix: value:
        builtins.listToAttrs (
          map (name: {
            name = prefix + name;
            value = value name;
          }) list
        );

      isIn =
        folder: path: builtins.substring 0 (builtins.stringLength folder + 1) path == "${folder}/";
      isOf = name: path: builtins.any (own: path == own || isIn own path) parts.${name}.files;

      # Where this flake is not fetched through Git, what was left by a run lies around.
      ignored = builtins.split "[/\n]+" (builtins.readFile ./template/.gitignore);

      # The files below a folder of the template, with their paths relative to the template.
      filesIn =
        folder:
        builtins.concatMap (
          name:
          let
            type = (builtins.readDir (./template + "/${folder}")).${name};
          in
          if builtins.elem name ignored then
            [ ]
          else if type == "directory" then
            filesIn "${folder}${name}/"
          else
            [ "${folder}${name}" ]
        ) (builtins.attrNames (builtins.readDir (./template + "/${folder}")));

      # The template with these files only, and without the folders that this leaves empty.
      treeOf =
        files:
        let
          tree = builtins.path {
            name = "template";
            path = ./template;
            filter =
              path: type:
              let
                relative =
                  builtins.substring (builtins.stringLength "${toString ./template}/") (-1) path;
              in
              if type == "directory" then
                builtins.any (isIn relative) files
              else
                builtins.elem relative files;
          };
        in
        # `nix flake check --no-build` makes no tree, but wants one.
        if builtins.pathExists (builtins.unsafeDiscardStringContext tree) then tree else ./template;

      variant = chosen: title: purpose: {
        path = treeOf (
          builtins.filter (
            file: builtins.all (name: builtins.elem name chosen || !isOf name file) names
          ) (filesIn "")
        );
        description = "${title}: ${purpose}";
        welcomeText = ''
          # ${title}

          A whole project lies here now, and it is yours. `README.md` says what runs and how to
          change it.

              nix develop
              just up

          Nix reads only files that Git knows: without a repository, first `git init && git add .`
        '';
      };

      # One part's files. A template cannot bring the backend of an example along: Nix 2.8 stops at
      # the first file that the user has edited, with half of them written. So it names it first.
      addition =
        name:
        let
          part = parts.${name};
          needed = listed (titles part.needs);
          first = builtins.concatStringsSep "" (
            map (need: "    nix flake init -t <slipway>#add-${need}\n") part.needs
          );
        in
        {
          path = treeOf (builtins.filter (isOf name) (filesIn ""));
          description =
            (
              if part.needs == [ ] then
                ""
              else
                "needs ${needed}, so first ${listed (map (need: "#add-${need}") part.needs)}: "
            )
            + "${part.title} for a project that exists: ${part.purpose}";
          welcomeText =
            (
              if part.needs == [ ] then
                ""
              else
                "# ${part.title} needs ${needed}: first, if it is not here yet\n\n${first}\n"
            )
            + ''
              # ${part.title} is here: ${listed part.files}

              No other file had to change. ${
                if part ? runs then "It runs ${part.runs}." else "It shows ${part.purpose}."
              }

                  nix develop
                  just up
            '';
        };
    in
    project
    // {
      templates = {
        default =
          variant ofDefault "Django with ${told (titles ofDefault)}"
            "each set up on its own";
        minimal = variant [ ] "Django alone" "background tasks can be added later";
        tour =
          variant names "Django with everything"
            "${told (titles backends)}, and an example of each use";
      }
      // eachOf backends "" (
        name:
        variant ([ name ] ++ parts.${name}.needs) "Django with ${parts.${name}.title}"
          parts.${name}.purpose
      )
      // eachOf names "add-" addition;

      packages = builtins.mapAttrs (
        system: _:
        let
          pkgs = nixpkgs.legacyPackages.${system};
          program =
            name: description: text:
            pkgs.writeShellScriptBin name text
            // {
              meta = {
                inherit description;
                mainProgram = name;
              };
            };
          new = "${pkgs.python313}/bin/python3 ${self}/generate.py";
          # Those that some process says to be started alone.
          alone = builtins.filter (
            name:
            let
              file = ./template/services + "/${name}.yaml";
              found = builtins.split "namespace: servers" (builtins.readFile file);
            in
            builtins.pathExists file && builtins.length found > 1
          ) backends;
          servers = map (name: import (./template/services + "/${name}.nix") pkgs) alone;
        in
        {
          # They keep their state in .data/ of the folder where they are started.
          services = program "services" "Start the servers alone, for a Django project elsewhere" ''
            mkdir -p "''${DATA_DIR:=.data}/logs"
            DATA_DIR=$(cd "$DATA_DIR" && pwd)
            export DATA_DIR PC_DISABLE_DOTENV=1
            export PROC_COMP_CONFIG="''${XDG_CONFIG_HOME:-$HOME/.config}/process-compose"
            export PATH="${
              pkgs.lib.makeBinPath (
                [
                  pkgs.process-compose
                  pkgs.python313
                ]
                ++ builtins.concatLists servers
              )
            }:$PATH"
            [ -t 1 ] || export PC_DISABLE_TUI=1
            cd ${self}/template
            exec process-compose up --no-server -L "$DATA_DIR/logs/process-compose.log" \
              --namespace servers $(printf -- '-f %s ' services/*.yaml) "$@"
          '';
          new = program "new" "Make a project without `nix flake init`: -- ../shop celery" ''
            exec ${new} "$@"
          '';
          default = program "demo" "Make a project with everything, and start it: -- FOLDER" ''
            set -e
            folder=''${1:-slipway-demo}
            [ $# = 0 ] || shift
            if ! [ -e "$folder/manage.py" ]; then
              ${new} "$folder" tour
              # In a repository Nix does not copy what the project installs.
              ! command -v git > /dev/null ||
                (cd "$folder" && git init -q && git add -N .)
            fi
            cd "$folder"
            exec sh dev just up "$@"
          '';
        }
      ) project.devShells;

      # Besides what is written in Python, which `just lint` looks at.
      checks = builtins.mapAttrs (
        system: _:
        let
          pkgs = nixpkgs.legacyPackages.${system};
        in
        {
          formatting =
            pkgs.runCommand "formatting"
              {
                nativeBuildInputs = [ pkgs.nixfmt ];
                meta.description = "Whether all files of Nix are in shape";
              }
              ''
                find ${self} -name '*.nix' -exec nixfmt --check {} +
                touch $out
              '';
        }
      ) project.devShells;

      # The shell of template/flake.nix, which looks for the project upwards: start it in template/.
      devShells = builtins.mapAttrs (_: shells: {
        default = shells.default.overrideAttrs (shell: {
          meta.description = "The tools of the template, for work on this repository";
          shellHook = ''
            here=$PWD
            until [ -e template/manage.py ] || [ "$PWD" = / ]; do cd ..; done
            cd "$PWD/template" 2> /dev/null || cd "$here"
            ${shell.shellHook}
            cd "$here"
          '';
        });
      }) project.devShells;
    };
}
