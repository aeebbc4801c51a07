#!/bin/sh
# Runs a command with a Docker engine of its own. The engine has no network to
# other machines, and has an image in place of the one that `sam local` would
# fetch. When the command ends, everything stops; the exit status is the
# command's.
#
#   scripts/container.sh run CMD [ARG...]
#
# It needs Linux and root, and installs missing packages on Debian. It does not
# touch another engine on the system. It leaves only the file system of the image,
# in .cache/.
set -eu

root=$(cd "$(dirname "$0")/.." && pwd)
suite=bookworm

die() {
	echo "container.sh: $*" >&2
	exit 1
}

case $(uname -m) in
x86_64) arch=x86_64 ;;
aarch64 | arm64) arch=arm64 ;;
*) die "cannot run a container engine here: no Lambda function runs on $(uname -m)" ;;
esac
files=$root/.cache/$suite-$arch.tar

# The name by which aws-sam-cli asks for the operating system of functions
# (samcli/local/docker/lambda_image.py). The image is Debian's and not Amazon's:
# a static executable sees no difference.
image=public.ecr.aws/lambda/provided:al2023-$arch

# inside runs as the first process of the namespaces. When it ends, the kernel
# kills all other processes in them.
inside() {
	ip link set lo up
	mount -t tmpfs -o mode=0700 dcr-container "$work"
	mkdir "$work/tmp"
	export DOCKER_HOST="unix://$work/docker.sock" TMPDIR="$work/tmp"
	# dockerd has a high priority so that it passes on the containers' output at
	# once: sam waits for it, and waits a second if several lines come together.
	nice -n -10 dockerd --host "$DOCKER_HOST" --data-root "$work/data" --exec-root "$work/exec" --pidfile "$work/pid" \
		--log-level warn >"$work/log" 2>&1 &
	engine=$!
	tries=0
	until docker version >/dev/null 2>&1; do
		kill -0 "$engine" 2>/dev/null || die "cannot run a container engine here: dockerd ended: $(tail -n 1 "$work/log")"
		[ "$tries" -lt 300 ] || die "cannot run a container engine here: dockerd does not answer: $(tail -n 1 "$work/log")"
		tries=$((tries + 1))
		sleep 0.1
	done
	docker import --change 'ENV LAMBDA_TASK_ROOT=/var/task LAMBDA_RUNTIME_DIR=/var/runtime' "$files" "$image" >"$work/out" 2>&1 ||
		die "cannot make the image: $(tail -n 1 "$work/out")"
	docker run --rm "$image" true >"$work/out" 2>&1 ||
		die "cannot run a container here: $(tail -n 1 "$work/out")"

	status=0
	"$@" || status=$?
	kill "$engine"
	wait "$engine" || true
	exit "$status"
}

if [ "${1-}" = inside ]; then
	work=$2
	shift 2
	inside "$@"
fi

if [ "${1-}" != run ] || [ $# -lt 2 ]; then
	echo "usage: scripts/container.sh run CMD [ARG...]" >&2
	exit 2
fi
shift

[ "$(uname -s)" = Linux ] || die "cannot run a container engine here: this is $(uname -s) and not Linux"
[ "$(id -u)" = 0 ] || die "cannot run a container engine here: it needs root"

work=$(mktemp -d)
made=
namespaces=
# shellcheck disable=SC2329 # the trap calls it
stop() {
	# This also kills the first process of the namespaces, and so all others.
	[ -z "$namespaces" ] || kill -9 "$namespaces" 2>/dev/null || true
	# shellcheck disable=SC2086 # a list
	rm -rf "$work" $made
}
trap stop EXIT
trap 'exit 130' INT
trap 'exit 143' TERM

missing=
for tool in dockerd:docker.io docker:docker.io containerd:containerd runc:runc ip:iproute2 iptables:iptables unshare:util-linux debootstrap:debootstrap; do
	command -v "${tool%:*}" >/dev/null 2>&1 || missing="$missing ${tool#*:}"
done
if [ -n "$missing" ]; then
	command -v apt-get >/dev/null 2>&1 || die "cannot run a container engine here: install these (names of Debian packages):$missing"
	echo "container.sh: installing$missing" >&2
	# shellcheck disable=SC2086 # a list
	{ apt-get update && DEBIAN_FRONTEND=noninteractive apt-get install --yes --no-install-recommends $missing; } >"$work/log" 2>&1 ||
		die "cannot install$missing: $(tail -n 1 "$work/log")"
fi

# debootstrap makes a small Debian. Functions need only its shell, which sam uses
# to start its Lambda emulator.
if [ ! -f "$files" ]; then
	echo "container.sh: making the file system of the image" >&2
	mkdir -p "$root/.cache"
	made="$root/.cache/making.$$ $files.$$"
	debootstrap --variant=minbase "$suite" "$root/.cache/making.$$" >"$work/log" 2>&1 ||
		die "debootstrap failed: $(tail -n 1 "$work/log")"
	tar -C "$root/.cache/making.$$" --exclude='./usr/share/doc/*' --exclude='./usr/share/locale/*' --exclude='./usr/share/man/*' \
		--exclude='./var/cache/apt/*' --exclude='./var/lib/apt/lists/*' -cf "$files.$$" .
	mv "$files.$$" "$files"
fi

status=0
unshare --net --mount --pid --fork --kill-child --mount-proc "$root/scripts/container.sh" inside "$work" "$@" &
namespaces=$!
wait "$namespaces" || status=$?
namespaces=
exit "$status"
