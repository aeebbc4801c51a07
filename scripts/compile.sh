#!/bin/sh
# Builds one program. The same source, VERSION and Go give the same bytes on every
# machine.
#
#   scripts/compile.sh OS ARCH OUTPUT PACKAGE [TAGS]
#
# VERSION is the version of the program; the default is dev.
set -eu

os=$1 arch=$2 out=$3 package=$4 tags=${5-}
case $out in
/*) ;;
*) out=$PWD/$out ;;
esac
cd "$(dirname "$0")/.."

version=${VERSION:-dev}
case $version in
*[!A-Za-z0-9.+_-]*)
	echo "compile.sh: VERSION is $version; it may have letters, digits and . + _ -" >&2
	exit 2
	;;
esac

# No symbols and no build id; except on macOS, where the loader needs the UUID that
# the linker derives from the build id.
ldflags="-s -w -X github.com/dcr-broker/dcr-broker/internal/environment.version=$version"
[ "$os" = darwin ] || ldflags="$ldflags -buildid="

# No cgo, and no paths and no git data in the binary. GOFLAGS and the instruction
# sets are set here, so that the environment cannot change the result.
GOOS=$os GOARCH=$arch CGO_ENABLED=0 GOFLAGS=-mod=readonly GOEXPERIMENT='' GOARM64=v8.0 GOAMD64=v1 \
	"${GO:-go}" build -trimpath -buildvcs=false -tags "$tags" -ldflags "$ldflags" -o "$out" "$package"
