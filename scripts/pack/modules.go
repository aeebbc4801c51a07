package main

import (
	"bytes"
	"cmp"
	"fmt"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
)

// module is a module that a program was built from. "std" is that of Go's
// standard library.
type module struct{ path, version string }

func (m module) String() string { return m.path + "@" + m.version }

// modules returns the modules that p was built from, without the broker's own. It
// returns the replacement of a module that is replaced.
func (p program) modules() []module {
	found := []module{{"std", strings.TrimPrefix(p.built.GoVersion, "go")}}
	for _, m := range p.built.Deps {
		if m.Replace != nil {
			m = m.Replace
		}
		found = append(found, module{m.Path, m.Version})
	}
	return found
}

// allModules returns the modules of all programs, sorted.
func allModules(programs []program) []module {
	found := make(map[module]bool)
	for _, p := range programs {
		for _, m := range p.modules() {
			found[m] = true
		}
	}
	return slices.SortedFunc(maps.Keys(found), func(a, b module) int { return strings.Compare(a.String(), b.String()) })
}

// licenseFile matches the names of files with a module's licence or notices.
var licenseFile = regexp.MustCompile(`^(?i:(un)?licen[cs]e|copying|notice|patents|authors|contributors)([.-].*)?$`)

// notices returns the licences of the modules that the programs link, because
// most licences must be part of every copy. Each text appears once, below the
// modules that have it.
func notices(programs []program) ([]byte, error) {
	var texts []string
	of := make(map[string][]string)
	for _, m := range allModules(programs) {
		dir, err := directory(m)
		if err != nil {
			return nil, err
		}
		entries, err := os.ReadDir(dir)
		if err != nil {
			return nil, err
		}
		licensed := false
		for _, e := range entries {
			if !e.Type().IsRegular() || !licenseFile.MatchString(e.Name()) || strings.HasSuffix(e.Name(), ".go") {
				continue
			}
			b, err := os.ReadFile(filepath.Join(dir, e.Name()))
			if err != nil {
				return nil, err
			}
			text := strings.TrimSpace(strings.ReplaceAll(string(b), "\r\n", "\n"))
			if of[text] == nil {
				texts = append(texts, text)
			}
			of[text] = append(of[text], fmt.Sprintf("%s (%s)", m, e.Name()))
			licensed = true
		}
		if !licensed {
			return nil, fmt.Errorf("no licence of %s in %s", m, dir)
		}
	}
	var b bytes.Buffer
	b.WriteString("The modules that the programs are built from, and their licences.\n")
	for _, text := range texts {
		fmt.Fprintf(&b, "\n%s\n%s\n\n%s\n", strings.Repeat("=", 78), strings.Join(of[text], "\n"), text)
	}
	return b.Bytes(), nil
}

// directory returns the directory with the source of a module.
func directory(m module) (string, error) {
	args := []string{"list", "-m", "-f", "{{.Dir}}", m.path}
	if m.path == "std" {
		args = []string{"env", "GOROOT"}
	}
	cmd := exec.Command(cmp.Or(os.Getenv("GO"), "go"), args...)
	cmd.Stderr = os.Stderr
	out, err := cmd.Output()
	if err != nil {
		return "", fmt.Errorf("go %s: %w", strings.Join(args, " "), err)
	}
	return strings.TrimSpace(string(out)), nil
}
