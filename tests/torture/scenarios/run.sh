# shellcheck shell=bash disable=SC1091,SC2016,SC2034,SC2154
# `readyctl run` starts a worker, sees its marker and ends with its exit status.
RIGHT=
# One line says what failed, one how the worker ended.
ERR_LINES=2
prepare() { COMMAND=(run --kill-after 500ms --timeout "$TIMEOUT" -- sh -c ': >"$READYD_DIR/ktstr-worker-ready-$$"; exec sleep 0.05'); }
