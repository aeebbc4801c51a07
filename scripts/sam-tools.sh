#!/bin/sh
# Runs the tools of AWS's Serverless Application Model. It installs exact versions
# of them into .venv-sam. The commands below need no AWS account.
#
#   scripts/sam-tools.sh install            installs them and prints the directory
#   scripts/sam-tools.sh sam ARG...         runs the sam command
#   scripts/sam-tools.sh cfn-lint ARG...    runs the linter for templates
#   scripts/sam-tools.sh lint [TEMPLATE]    runs all linters; default: template.yaml
#   scripts/sam-tools.sh transform [NAME=VALUE...]
#           prints template.yaml in JSON as CloudFormation would process it with
#           these parameters: transformed, with conditions resolved and parameters
#           replaced. TEMPLATE=FILE names another template. A parameter that the
#           template does not allow is an error.
#
# Set PYTHON to use another Python than python3.
set -eu

sam=1.170.0
lint=1.58.0
translator=1.115.0
python=${PYTHON:-python3}
root=$(cd "$(dirname "$0")/.." && pwd)
venv=$root/.venv-sam

# No telemetry and no version check.
export SAM_CLI_TELEMETRY=0 AWS_DEFAULT_REGION="${AWS_DEFAULT_REGION:-us-east-1}"

die() {
	echo "sam-tools.sh: $*" >&2
	exit 1
}

usage() {
	sed -n 's/^#   //p' "$root/scripts/sam-tools.sh" >&2
	exit 2
}

installed() {
	"$venv/bin/python" - "$sam" "$lint" "$translator" >/dev/null 2>&1 <<-'PYTHON'
		import importlib.metadata as m, sys
		have = [m.version(p) for p in ("aws-sam-cli", "cfn-lint", "aws-sam-translator")]
		sys.exit(have != sys.argv[1:])
	PYTHON
}

install() {
	if installed; then
		return
	fi
	command -v "$python" >/dev/null 2>&1 ||
		die "python3 is missing; install Python 3.10 or later with venv (Debian: apt install python3-venv)"
	"$python" -c 'import sys; sys.exit(sys.version_info < (3, 10))' ||
		die "Python 3.10 or later is needed, $python is $("$python" --version 2>&1)"
	echo "sam-tools.sh: installing aws-sam-cli $sam and cfn-lint $lint into .venv-sam" >&2
	log=$(mktemp)
	trap 'rm -f "$log"' EXIT
	"$python" -m venv "$venv" >"$log" 2>&1 ||
		die "$python cannot make a venv; install its venv module (Debian: apt install python3-venv): $(tail -n 1 "$log")"
	"$venv/bin/python" -m pip install --quiet --disable-pip-version-check \
		"aws-sam-cli==$sam" "cfn-lint==$lint" "aws-sam-translator==$translator" >"$log" 2>&1 ||
		die "cannot install them: $(tail -n 1 "$log")"
	installed || die "what was installed in $venv does not work; remove that directory and try again"
}

[ $# -gt 0 ] || usage
command=$1
shift
case $command in
install)
	install
	echo "$venv"
	;;
sam)
	install
	exec "$venv/bin/sam" "$@"
	;;
cfn-lint)
	install
	exec "$venv/bin/cfn-lint" "$@"
	;;
lint)
	install
	template=${1:-$root/template.yaml}
	"$venv/bin/sam" validate --lint --template-file "$template" >/dev/null
	# Regions with different resource types: a WebACL for CloudFront is in us-east-1
	# only.
	"$venv/bin/cfn-lint" --regions us-east-1 eu-central-1 ap-southeast-2 -- "$template"
	;;
transform)
	install
	exec "$venv/bin/python" "$root/infra/sam/transform.py" "${TEMPLATE:-$root/template.yaml}" "$@"
	;;
*)
	usage
	;;
esac
