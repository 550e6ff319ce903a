#!/bin/sh
# Runs page_test.mjs, or says what is missing and exits with 77 (skipped).
here=$(cd "$(dirname "$0")" && pwd) || exit 1
export NODE_PATH="${NODE_PATH:-$here/../../build/test-clients/node/node_modules}"
if [ ! -d "$NODE_PATH/playwright-core" ]; then
  echo "skipped: no node modules in $NODE_PATH; ./dev test installs them"
  exit 77
fi
if ! command -v node >/dev/null; then
  echo "skipped: no Node; install the package nodejs"
  exit 77
fi
if [ ! -x "${CHROMIUM:-/usr/bin/chromium}" ]; then
  echo "skipped: no Chromium at ${CHROMIUM:-/usr/bin/chromium}; install the package chromium or set CHROMIUM"
  exit 77
fi
exec node "$here/page_test.mjs"
