#!/bin/sh
# Prints the import graph of pkg/broker: each package with what it imports from pkg,
# by level. A package imports only packages of lower levels.
# Usage: scripts/graph.sh
set -eu

cd "$(dirname "$0")/.."
module=$("${GO:-go}" list -m)
"${GO:-go}" list -f '{{.ImportPath}}{{range .Imports}} {{.}}{{end}}' ./pkg/broker/... | awk -v module="$module/pkg/" '
	{
		pkg = substr($1, length(module) + 1)
		level[pkg] = 0
		imports[pkg] = ""
		for (i = 2; i <= NF; i++)
			if (index($i, module) == 1) imports[pkg] = imports[pkg] " " substr($i, length(module) + 1)
		order[++n] = pkg
	}
	END {
		do { # until no level rises
			changed = 0
			for (pkg in level) {
				m = split(imports[pkg], names, " ")
				for (i = 1; i <= m; i++)
					if (names[i] in level && level[names[i]] >= level[pkg]) {
						level[pkg] = level[names[i]] + 1
						changed = 1
					}
				if (level[pkg] > top) top = level[pkg]
			}
		} while (changed)
		for (l = top; l >= 0; l--) {
			printf "level %d\n", l
			for (i = 1; i <= n; i++)
				if (level[order[i]] == l) {
					if (imports[order[i]] == "") print "  " order[i]
					else printf "  %-21s imports%s\n", order[i], imports[order[i]]
				}
		}
	}'
