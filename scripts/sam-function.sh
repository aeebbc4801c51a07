#!/bin/sh
# Builds one function for `sam build`, which has make call this: the bootstrap,
# and what the directory packed/ holds (a policy, a logo), if there is one.
#
#   ARTIFACTS_DIR=DIR scripts/sam-function.sh Register
#
# ARCHITECTURE is as in the template, arm64 unless set or x86_64. sam tells make
# nothing of the template's parameters.
set -eu

cd "$(dirname "$0")/.."
: "${ARTIFACTS_DIR:?is set by sam build}"
function=$(printf %s "$1" | tr '[:upper:]' '[:lower:]')

case ${ARCHITECTURE:-arm64} in
arm64) arch=arm64 ;;
x86_64) arch=amd64 ;;
*)
	echo "sam-function.sh: ARCHITECTURE is $ARCHITECTURE; it may be arm64 or x86_64" >&2
	exit 2
	;;
esac

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
VERSION=${VERSION:-$(scripts/version.sh)} FUNCTIONS=$function ARCHS=$arch scripts/build.sh "$work"
mv "$work/$arch/$function/bootstrap" "$ARTIFACTS_DIR/bootstrap"
if [ -d packed ]; then
	cp -R packed/. "$ARTIFACTS_DIR"
fi
