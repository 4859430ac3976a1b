pkgs: [ pkgs.redis ]
