#!/bin/sh
# Prints the version of a build: VERSION if it is set, or the output of git describe
# in a checkout, or dev.
set -eu
cd "$(dirname "$0")/.."
if [ -n "${VERSION-}" ]; then
	printf '%s\n' "$VERSION"
elif [ -e .git ] && described=$(git describe --tags --match 'v[0-9]*' --always --abbrev=12 --dirty 2>/dev/null); then
	printf '%s\n' "$described"
else
	echo dev
fi
