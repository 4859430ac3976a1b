pkgs: [ pkgs.postgresql_18 ]
