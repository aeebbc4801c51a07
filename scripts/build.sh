#!/bin/sh
# Builds the Lambda functions for the runtime provided.al2023:
# OUTPUT/ARCH/FUNCTION/bootstrap.
#
#   scripts/build.sh [OUTPUT]        default: dist
#
# FUNCTIONS and ARCHS are lists, separated by spaces, of the functions and
# architectures to build; the default is all. VERSION is the version of the
# functions; the default is dev. Tests set TARGET_OS to run the functions on this
# machine.
# The same source, VERSION and Go give the same bytes on every machine.
set -eu

out=${1:-dist}
case $out in
/*) ;;
*) out=$PWD/$out ;;
esac
cd "$(dirname "$0")/.."

functions=${FUNCTIONS:-$(cd functions && for main in */main.go; do echo "${main%/main.go}"; done)}
for arch in ${ARCHS:-arm64 amd64}; do
	for function in $functions; do
		scripts/compile.sh "${TARGET_OS:-linux}" "$arch" "$out/$arch/$function/bootstrap" "./functions/$function" lambda.norpc
	done
done
