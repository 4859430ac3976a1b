{
  description = "Django with background tasks that run on the first day: Celery, Temporal, or both";

  inputs.nixpkgs.url = "github:NixOS/nixpkgs/nixpkgs-unstable";

  outputs =
    { self, nixpkgs }:
    let
      project = (import ./template/flake.nix).outputs { inherit self nixpkgs; };

      # The templates are made with Nix alone: laying down a project must not fetch nixpkgs.
      backends = builtins.fromTOML (builtins.readFile ./backends.toml);
      names = builtins.attrNames backends;

      isIn =
        folder: path: builtins.substring 0 (builtins.stringLength folder + 1) path == "${folder}/";
      isOf = name: path: builtins.any (own: path == own || isIn own path) backends.${name}.files;

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
        builtins.path {
          name = "template";
          path = ./template;
          filter =
            path: type:
            let
              relative = builtins.substring (builtins.stringLength "${toString ./template}/") (-1) path;
            in
            if type == "directory" then
              builtins.any (isIn relative) files
            else
              builtins.elem relative files;
        };

      variant = chosen: title: purpose: {
        path = treeOf (
          builtins.filter (
            file: builtins.all (name: builtins.elem name chosen || !isOf name file) names
          ) (filesIn "")
        );
        description = "${title}: ${purpose}";
        welcomeText = ''
          # ${title}

          A whole project lies here now, and it is yours. `README.md` says what runs and how to change it.

              nix develop
              just up

          Nix reads only files that Git knows: without a repository, first `git init && git add .`
        '';
      };

      addition = name: backend: {
        path = treeOf (builtins.filter (isOf name) (filesIn ""));
        description = "${backend.title} for a project that was made from another template of this flake";
        welcomeText = ''
          # ${backend.title} is here: ${builtins.concatStringsSep ", " backend.files}

          No other file had to change. It runs ${backend.runs}.

              nix develop
              just up
        '';
      };
    in
    project
    // {
      templates = {
        default = variant names "Django with ${
          builtins.concatStringsSep " and " (map (name: backends.${name}.title) names)
        }" "each set up on its own";
        minimal = variant [ ] "Django alone" "background tasks can be added later";
      }
      // builtins.mapAttrs (
        name: backend: variant [ name ] "Django with ${backend.title}" backend.purpose
      ) backends
      // builtins.listToAttrs (
        map (name: {
          name = "add-${name}";
          value = addition name backends.${name};
        }) names
      );

      # The shell of template/flake.nix, which looks for the project upwards: start it in template/.
      devShells = builtins.mapAttrs (_: shells: {
        default = shells.default.overrideAttrs (shell: {
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
