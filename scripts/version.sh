#!/bin/sh
# Prints the version of what is built here: VERSION if it is set, what git says
# of a checkout, and dev otherwise.
set -eu
cd "$(dirname "$0")/.."
if [ -n "${VERSION-}" ]; then
	printf '%s\n' "$VERSION"
elif [ -e .git ] && described=$(git describe --tags --match 'v[0-9]*' --always --abbrev=12 --dirty 2>/dev/null); then
	printf '%s\n' "$described"
else
	echo dev
fi
