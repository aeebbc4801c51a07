package environment

import "runtime/debug"

// version is what scripts/compile.sh puts in with the linker's -X. It is a string
// and nothing else, so that it costs the start of a function nothing.
var version string

// Version returns the version that the build was told. Without one it is what go
// install and go build recorded, such as v0.1.0 or a pseudo-version of the
// commit, and "dev" if they recorded none.
func Version() string {
	if version != "" {
		return version
	}
	if b, ok := debug.ReadBuildInfo(); ok && b.Main.Version != "" && b.Main.Version != "(devel)" {
		return b.Main.Version
	}
	return "dev"
}
