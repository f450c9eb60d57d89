#!/bin/sh
# Runs a packed build's tests and benchmark on a machine that has a GPU's driver and nothing else: `sh run.sh --help`.
# Node comes along; what it needs beside the C library comes along, too, for a machine that lacks it.
set -eu
here=$(cd "$(dirname "$0")" && pwd)
if ! "$here/bin/node" --version >/dev/null 2>&1; then
  LD_LIBRARY_PATH=$here/lib${LD_LIBRARY_PATH:+:$LD_LIBRARY_PATH}
  export LD_LIBRARY_PATH
fi
exec "$here/bin/node" "$here/app/scripts/gpu/run.js" "$@"
