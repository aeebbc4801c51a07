#!/bin/sh
# Builds the Lambda functions for the runtime provided.al2023:
# OUTPUT/ARCH/FUNCTION/bootstrap.
#
#   scripts/build.sh [OUTPUT]        OUTPUT is dist unless given
#
# FUNCTIONS and ARCHS say which, separated by spaces; all of both unless set.
# VERSION is what they say of themselves, dev unless set. TARGET_OS is for tests,
# which run what they build on this machine.
# The same source, VERSION and Go give the same bytes, wherever and whenever.
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
