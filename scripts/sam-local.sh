#!/bin/sh
# Runs the broker under `sam local`: template.yaml with its functions in containers,
# with a local Cognito, a local DynamoDB and a sample MCP server.
#
#   scripts/sam-local.sh run [ARG...]   runs until Ctrl-C, with the system's Docker;
#                                       arguments are for `sam local`
#   scripts/sam-local.sh prepare        installs and builds what a test needs
#   scripts/sam-local.sh test           runs the end-to-end tests and every file in
#                                       events/; downloads nothing
#   scripts/sam-local.sh test-alone     a part of test: reads the metadata from
#                                       `sam local start-api` with nothing beside it
#
# Variables, if a default port is taken or the address of this machine is not found:
#
#   BROKER_PORT (3000), LAMBDA_PORT (3001), DCR_DEV_COGNITO (localhost:9229),
#   DCR_DEV_MCP (localhost:8090)    ports and addresses on this machine
#   HOST_ADDRESS                    address of this machine for containers
#
# LOG_LEVEL is passed on to the functions. No AWS account is used.
set -eu

root=$(cd "$(dirname "$0")/.." && pwd)
built=$root/.aws-sam/local
broker_port=${BROKER_PORT:-3000}
lambda_port=${LAMBDA_PORT:-3001}

die() {
	echo "sam-local.sh: $*" >&2
	exit 1
}

case $(uname -m) in
x86_64) arch=x86_64 ;;
aarch64 | arm64) arch=arm64 ;;
*) die "no Lambda function runs on $(uname -m)" ;;
esac

# sam passes its own credentials to the functions.
unset AWS_PROFILE AWS_SESSION_TOKEN
export SAM_CLI_TELEMETRY=0 AWS_ACCESS_KEY_ID=local AWS_SECRET_ACCESS_KEY=local AWS_REGION=us-east-1 AWS_DEFAULT_REGION=us-east-1 \
	AWS_CONFIG_FILE=/dev/null AWS_SHARED_CREDENTIALS_FILE=/dev/null AWS_EC2_METADATA_DISABLED=true

work=$(mktemp -d)
started=
# shellcheck disable=SC2329 # the trap calls it
stop() {
	# In reverse order of the start. sam stops its containers.
	for pid in $started; do
		kill "$pid" 2>/dev/null || true
		wait "$pid" 2>/dev/null || true
	done
	rm -rf "$work"
}
trap stop EXIT
trap 'exit 130' INT
trap 'exit 143' TERM

# check_engine fails if there is clearly no container engine. It runs before
# anything is installed.
check_engine() {
	[ -z "${DOCKER_HOST-}" ] && [ ! -S /var/run/docker.sock ] || return 0
	for cli in docker finch podman; do
		! command -v "$cli" >/dev/null 2>&1 || return 0
	done
	die "$no_engine"
}
no_engine="no container engine answers; install Docker (https://docs.docker.com/engine/install/), or start it"

# prepare installs moto and builds the functions and dcr-dev. venv is set: it has
# sam.
prepare() {
	"$root/scripts/moto.sh" install
	echo "sam-local.sh: building the functions for $arch" >&2
	(cd "$root" && ARCHITECTURE=$arch "$venv/bin/sam" build --build-dir "$built" --parameter-overrides "Architecture=$arch") >"$work/log" 2>&1 ||
		die "sam build failed: $(tail -n 20 "$work/log")"
	(cd "$root" && "${GO:-go}" build -o bin/dcr-dev ./cmd/dcr-dev) || die "cannot build dcr-dev"
}

# locate finds the address of this machine for containers. It sets listen, the
# address on which servers for containers listen, and host, the name or address
# that containers use. The gateway of the containers' network is this machine,
# unless they run in a virtual machine.
locate() {
	if [ -n "${HOST_ADDRESS-}" ]; then
		listen=$HOST_ADDRESS host=$HOST_ADDRESS
		return
	fi
	found=$("$venv/bin/python" - 2>"$work/log" <<-'PYTHON'
		import ipaddress, socket
		from samcli.local.docker.utils import get_validated_container_client

		bridge = get_validated_container_client().networks.get("bridge").attrs["IPAM"]["Config"][0]
		# Docker does not report the gateway until it has been restarted.
		gateway = bridge.get("Gateway") or str(ipaddress.ip_network(bridge["Subnet"])[1])
		with socket.socket() as s:
		    try:
		        s.bind((gateway, 0))
		        print(gateway, gateway)
		    except OSError:
		        print("127.0.0.1", "host.docker.internal")
	PYTHON
	) || die "$no_engine"
	listen=${found% *} host=${found#* }
}

# surroundings starts what the functions need, except for moto's server, which
# already runs at DYNAMODB_ENDPOINT.
surroundings() {
	"$root/bin/dcr-dev" surroundings --host "$host" --back-channel "$([ "$listen" = 127.0.0.1 ] || echo "$listen:0")" \
		--issuer "http://localhost:$broker_port" --aws "$DYNAMODB_ENDPOINT" \
		--lambda "http://$host:$lambda_port" --provision ProvisionFunction --out "$work" >"$work/surroundings.log" 2>&1 &
	started="$! $started"
	tries=0
	until [ -f "$work/client.sh" ]; do
		kill -0 "$!" 2>/dev/null || die "$(tail -n 1 "$work/surroundings.log")"
		[ "$tries" -lt 300 ] || die "the local Cognito does not start in time"
		tries=$((tries + 1))
		sleep 0.1
	done
	# shellcheck disable=SC1091 # surroundings wrote it
	. "$work/client.sh"
	export AWS_ENDPOINT_URL="$DYNAMODB_ENDPOINT" # sam gets the account id from STS
}

# sam replaces this shell by a command of `sam local` on the built template, with
# the variables in the file env_vars; default: those of surroundings. If through
# is set, that program runs the command.
sam() {
	command=$1
	shift
	exec ${through:+"$through"} "$venv/bin/sam" local "$command" --template-file "$built/template.yaml" --parameter-overrides "Architecture=$arch" \
		--region us-east-1 --env-vars "${env_vars:-$work/functions.json}" "$@"
}

# serve starts one of sam's servers and waits until it listens. The server starts a
# container for each function at its first request.
serve() {
	server=$1 address=$2 port=$3
	shift 3
	: >"$work/$server.log" # grep may run before sam has created it
	sam "$server" --host "$address" --port "$port" --warm-containers LAZY --no-watch "$@" >"$work/$server.log" 2>&1 &
	started="$! $started"
	tries=0
	until grep -q "Running on http" "$work/$server.log"; do
		kill -0 "$!" 2>/dev/null || die "sam local $server ended: $(tail -n 3 "$work/$server.log")"
		[ "$tries" -lt 600 ] || die "sam local $server does not start in time: $(tail -n 3 "$work/$server.log")"
		tries=$((tries + 1))
		sleep 0.1
	done
}

banner() {
	cat <<-TEXT

		dcr-broker is starting under sam local. All registrations are deleted when you stop it.

		  MCP server     $E2E_MCP_URL
		  Broker         http://localhost:$broker_port
		                 http://localhost:$broker_port/.well-known/oauth-authorization-server
		  Sign in as     $E2E_USERNAME / $E2E_PASSWORD
		  To register    open, or with the initial access token
		                 $E2E_INITIAL_ACCESS_TOKEN
		  Logs           below; those of the function that creates app clients
		                 are in $work/start-lambda.log

		Connect an MCP client

		  MCP Inspector  npx @modelcontextprotocol/inspector
		                 transport "Streamable HTTP", URL $E2E_MCP_URL, then Connect
		  Claude Code    claude mcp add --transport http sample $E2E_MCP_URL
		                 then type /mcp in claude and choose "sample" to sign in

		The first request to a function starts its container. After each request sam
		waits up to a second for the log. Ctrl-C stops everything.

	TEXT
}

run() {
	surroundings
	serve start-lambda "$listen" "$lambda_port" "$@"
	banner
	(sam start-api --host localhost --port "$broker_port" --warm-containers LAZY --no-watch "$@")
}

# alone reads the metadata from start-api with infra/sam/local.json, as
# docs/deploy.md describes it: without a table and without Cognito.
alone() {
	env_vars=$root/infra/sam/local.json
	serve start-api localhost "$broker_port" --skip-pull-image
	"$venv/bin/python" - "http://localhost:$broker_port/.well-known/oauth-authorization-server" <<-'PYTHON' || die "$(tail -n 20 "$work/start-api.log")"
		import json, sys, urllib.request

		with urllib.request.urlopen(sys.argv[1], timeout=60) as response:
		    document = json.load(response)
		want = {"issuer": "http://localhost:3000", "scopes_supported": ["mcp/read", "mcp/write"]}
		got = {name: document.get(name) for name in want}
		if response.status != 200 or got != want:
		    sys.exit(f"status {response.status}, {got}, want {want}")
	PYTHON
	kill "${started%% *}"
	wait "${started%% *}" || true
	started=${started#* }
	env_vars=
	echo "ok: start-api alone has the metadata of config/broker.json"
}

# Tests of behaviour in which `sam local` differs from API Gateway: it treats "//"
# as "/", has no route for unknown methods, and cannot pass on a body that is not
# UTF-8 unless the API declares its media type as binary.
not_gateway='TestUnknownPaths/brokered/unclean_path|TestUnknownPaths/brokered/an_unknown_method|TestBadRegistrations/brokered/not_UTF-8'

tests() {
	surroundings
	serve start-lambda "$listen" "$lambda_port" --skip-pull-image
	serve start-api localhost "$broker_port" --skip-pull-image
	cd "$root"
	if ! make e2e BASE_URL="http://localhost:$broker_port" ARGS="-skip='$not_gateway'" >"$work/e2e.log" 2>&1; then
		tail -n 40 "$work/start-lambda.log" "$work/start-api.log"
		cat "$work/e2e.log"
		die "the end-to-end tests failed"
	fi
	grep -E -- '^ *--- (PASS|SKIP)|^ok' "$work/e2e.log"
	(through=bin/sam-events && sam invoke --skip-pull-image)
}

case ${1-} in
prepare)
	venv=$("$root/scripts/sam-tools.sh" install)
	prepare
	cd "$root"
	"${GO:-go}" build -o bin/sam-events ./test/events
	"${GO:-go}" test -c -o /dev/null ./test/e2e
	;;
run)
	shift
	check_engine
	venv=$("$root/scripts/sam-tools.sh" install)
	locate
	prepare
	MOTO_ADDRESS=$listen "$root/scripts/moto.sh" run "$root/scripts/sam-local.sh" beside-moto run "$venv" "$listen" "$host" "$@"
	;;
test-alone)
	venv=$("$root/scripts/sam-tools.sh" install)
	alone
	;;
test)
	# Informational lines do not belong in a test's log, and sam would wait for
	# them: see nice in container.sh.
	export LOG_LEVEL="${LOG_LEVEL:-error}"
	venv=$("$root/scripts/sam-tools.sh" install)
	alone
	locate
	MOTO_ADDRESS=$listen "$root/scripts/moto.sh" run "$root/scripts/sam-local.sh" beside-moto tests "$venv" "$listen" "$host"
	;;
beside-moto)
	function=$2 venv=$3 listen=$4 host=$5
	shift 5
	"$function" "$@"
	;;
*)
	echo "usage: scripts/sam-local.sh run [ARG...] | prepare | test | test-alone" >&2
	exit 2
	;;
esac
