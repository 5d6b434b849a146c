# shellcheck shell=bash disable=SC1091,SC2016,SC2034,SC2154
# `readyctl run` starts a worker that ends without a marker.
RIGHT_STATUS=3 RIGHT='' FALSE='(ready|exited) '
# One line says what failed, one how the worker ended.
ERR_LINES=2
prepare() { COMMAND=(run --kill-after 500ms --timeout "$TIMEOUT" -- sh -c 'exit 7'); }
