# Untested; see README.md beside it.
{
  description = "Let many programs wait until worker processes are ready";
  outputs = { self, nixpkgs }:
    let
      systems = [ "x86_64-linux" "aarch64-linux" ];
      each = f: nixpkgs.lib.genAttrs systems (system: f nixpkgs.legacyPackages.${system});
    in {
      packages = each (pkgs: {
        default = pkgs.stdenv.mkDerivation {
          pname = "readyd";
          version = "0.2.0";
          src = ../.;
          nativeBuildInputs = with pkgs; [ autoreconfHook pkg-config ];
          buildInputs = with pkgs; [ libevent jemalloc uthash elfutils mosquitto check ];
          configureFlags = [ "--enable-fleet" ];
          # Probes need the symbols and the debugging information of the worker.
          dontStrip = true;
          doCheck = true;
          checkTarget = "check-unit";
        };
      });
    };
}
