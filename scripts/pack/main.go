// Command pack writes the files of a release: archives of the programs that
// scripts/dist.sh has built, their licences, an SBOM and the checksums of all
// files. The archives of the tools also have the example of a configuration and
// its JSON Schema. The output depends on the input only: archives have no times, owners
// or modes of the machine.
//
// It runs in the root of the module and needs the go command.
package main

import (
	"bytes"
	"cmp"
	"crypto/sha256"
	"debug/buildinfo"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

// options are the flags.
type options struct {
	version string
	// functions holds ARCH/FUNCTION/bootstrap, tools OS_ARCH/TOOL.
	functions, tools string
	out              string
}

func main() {
	var o options
	flag.StringVar(&o.version, "version", "", "`version` of the programs")
	flag.StringVar(&o.functions, "functions", "", "`directory` of the functions: ARCH/FUNCTION/bootstrap")
	flag.StringVar(&o.tools, "tools", "", "`directory` of the tools: OS_ARCH/TOOL")
	flag.StringVar(&o.out, "out", "dist", "`directory` to write to")
	flag.Parse()
	if err := run(o); err != nil {
		fmt.Fprintln(os.Stderr, "pack:", err)
		os.Exit(1)
	}
}

// program is an executable and the archive that has it.
type program struct {
	archive string // file name of the archive
	files   []file // the executable comes first
	built   *buildinfo.BuildInfo
}

// output is a file of the release.
type output struct {
	name    string
	content []byte
}

func run(o options) error {
	functions, err := readFunctions(o.functions)
	if err != nil {
		return err
	}
	tools, err := readTools(o.tools)
	if err != nil {
		return err
	}
	programs := slices.Concat(functions, tools)
	if len(programs) == 0 {
		return fmt.Errorf("there is no program in %q and %q", o.functions, o.tools)
	}
	license, err := os.ReadFile("LICENSE")
	if err != nil {
		return err
	}
	notices, err := notices(programs)
	if err != nil {
		return err
	}
	licenses := []output{{"LICENSE", license}, {"THIRD_PARTY_LICENSES.txt", notices}}
	configuration, err := readConfiguration()
	if err != nil {
		return err
	}
	for i := range tools {
		for _, t := range slices.Concat(licenses, configuration) {
			tools[i].files = append(tools[i].files, file{t.name, 0o644, t.content})
		}
	}

	all := licenses
	for _, p := range slices.Concat(functions, tools) {
		content, err := archive(p.archive, p.files)
		if err != nil {
			return fmt.Errorf("%s: %w", p.archive, err)
		}
		all = append(all, output{p.archive, content})
	}
	sbom, err := bom(o.version, programs, all)
	if err != nil {
		return err
	}
	all = append(all, output{"sbom.cdx.json", sbom})
	slices.SortFunc(all, func(a, b output) int { return cmp.Compare(a.name, b.name) })

	if err := os.MkdirAll(o.out, 0o755); err != nil {
		return err
	}
	var sums bytes.Buffer
	for _, s := range all {
		fmt.Fprintf(&sums, "%x  %s\n", sha256.Sum256(s.content), s.name)
	}
	for _, s := range append(all, output{"SHA256SUMS", sums.Bytes()}) {
		if err := os.WriteFile(filepath.Join(o.out, s.name), s.content, 0o644); err != nil {
			return err
		}
	}
	return nil
}

// readConfiguration returns the example of a configuration and its schema under
// the names that they have in the repository, because the example names the
// schema by a relative path.
func readConfiguration() ([]output, error) {
	var read []output
	for _, name := range []string{"config/broker.json", "docs/configuration.schema.json"} {
		b, err := os.ReadFile(name)
		if err != nil {
			return nil, err
		}
		read = append(read, output{name, b})
	}
	return read, nil
}

func readFunctions(dir string) ([]program, error) {
	paths, err := filepath.Glob(filepath.Join(dir, "*", "*", "bootstrap"))
	if err != nil {
		return nil, err
	}
	var programs []program
	for _, path := range paths {
		dir := filepath.Dir(path) // ARCH/FUNCTION
		p, err := read(path, filepath.Base(dir)+"_"+filepath.Base(filepath.Dir(dir))+".zip")
		if err != nil {
			return nil, err
		}
		programs = append(programs, p)
	}
	return programs, nil
}

func readTools(dir string) ([]program, error) {
	paths, err := filepath.Glob(filepath.Join(dir, "*", "*"))
	if err != nil {
		return nil, err
	}
	var programs []program
	for _, path := range paths {
		platform, kind := filepath.Base(filepath.Dir(path)), ".tar.gz"
		name, windows := strings.CutSuffix(filepath.Base(path), ".exe")
		if windows {
			kind = ".zip"
		}
		p, err := read(path, name+"_"+platform+kind)
		if err != nil {
			return nil, err
		}
		programs = append(programs, p)
	}
	return programs, nil
}

func read(path, archive string) (program, error) {
	content, err := os.ReadFile(path)
	if err != nil {
		return program{}, err
	}
	built, err := buildinfo.Read(bytes.NewReader(content))
	if err != nil {
		return program{}, fmt.Errorf("%s: %w", path, err)
	}
	return program{archive, []file{{filepath.Base(path), 0o755, content}}, built}, nil
}
