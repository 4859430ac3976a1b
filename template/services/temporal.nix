pkgs: [ pkgs.temporal-cli ]
