package environment

import "runtime/debug"

// version is set by scripts/compile.sh with the linker's -X. A plain string
// costs a function no time at its start.
var version string

// Version returns the version with which the program was built. If the build
// did not set one, it returns the one that go install or go build recorded,
// such as v0.1.0 or a pseudo-version of the commit, and otherwise "dev".
func Version() string {
	if version != "" {
		return version
	}
	if b, ok := debug.ReadBuildInfo(); ok && b.Main.Version != "" && b.Main.Version != "(devel)" {
		return b.Main.Version
	}
	return "dev"
}
