package dcrbroker

import (
	"archive/zip"
	"bytes"
	"fmt"
	"io"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"

	"github.com/aws/aws-cdk-go/awscdk/v2"
	"github.com/aws/aws-cdk-go/awscdk/v2/awslambda"
	"github.com/aws/aws-cdk-go/awscdk/v2/awss3"
	"github.com/aws/aws-cdk-go/awscdk/v2/awss3assets"
	"github.com/aws/jsii-runtime-go"
)

// packages provides the functions' packages.
type packages struct {
	b *Broker
	// dist is the directory with packages. source, unless it is "", is a checkout
	// from which they are built instead.
	dist, source string
	// arch is GOARCH.
	arch      string
	functions []function
	// built is the directory with the functions that were built from source, ""
	// until one is needed.
	built string
	// missing is a placeholder for the location of packages that are missing.
	missing awss3.IBucket
}

func (b *Broker) packages(p *Props) *packages {
	k := &packages{b: b, dist: p.Dist, source: p.SourceDir, arch: "arm64", functions: b.modeFunctions()}
	if k.dist == "" {
		k.dist = "dist"
	}
	if p.Architecture != nil && *p.Architecture.Name() == *awslambda.Architecture_X86_64().Name() {
		k.arch = "amd64"
	}
	return k
}

// code returns the package of f. files are the paths of additional files by their
// names in the package.
func (k *packages) code(f function, files map[string]string) awslambda.Code {
	name := string(f) + "_" + k.arch + ".zip"
	switch {
	case k.source != "":
		if _, err := os.Stat(filepath.Join(k.source, "scripts", "build.sh")); err != nil {
			k.b.faults.add("SourceDir: %s is not a checkout of the broker: %v", k.source, err)
			return k.none()
		}
	default:
		if _, err := os.Stat(filepath.Join(k.dist, name)); err != nil {
			if k.missing == nil { // reported once for all functions
				k.b.faults.add("Dist: %v; run make dist in a checkout of the broker, or set SourceDir to a checkout", err)
			}
			return k.none()
		}
		if len(files) == 0 {
			return awslambda.Code_FromAsset(jsii.String(filepath.Join(k.dist, name)), nil)
		}
	}
	for _, path := range files {
		if _, err := os.Stat(path); err != nil {
			return k.none() // the check of the configuration reports it
		}
	}
	source := k.dist
	if k.source != "" {
		source = filepath.Join(k.source, "functions", string(f))
	}
	return awslambda.Code_FromAsset(&source, &awss3assets.AssetOptions{
		// The hash of the output, so that a changed comment does not lead to a
		// deployment.
		AssetHashType: awscdk.AssetHashType_OUTPUT,
		Bundling: &awscdk.BundlingOptions{
			Image: awscdk.DockerImage_FromRegistry(jsii.String("scratch")), // never run
			// The CDK treats two packages as the same if their options are
			// equal, so the command has everything in which packages differ.
			Command: jsii.Strings(append([]string{string(f), k.arch, k.dist, k.source}, flat(files)...)...),
			Local:   &bundling{k, f, files},
		},
	})
}

// none returns a placeholder for a missing package, so that the synthesis
// continues and reports all faults.
func (k *packages) none() awslambda.Code {
	if k.missing == nil {
		k.missing = awss3.Bucket_FromBucketName(k.b.Construct, jsii.String("Missing"), jsii.String("missing"))
	}
	return awslambda.Code_FromBucket(k.missing, jsii.String("missing"), nil)
}

func flat(m map[string]string) []string {
	var s []string
	for _, k := range slices.Sorted(maps.Keys(m)) {
		s = append(s, k, m[k])
	}
	return s
}

// bundling creates one package on this machine.
type bundling struct {
	k     *packages
	f     function
	files map[string]string
}

// TryBundle implements awscdk.ILocalBundling. It reports an error as a fault of
// the synthesis and always returns true: after false the CDK would use Docker.
func (l *bundling) TryBundle(outputDir *string, _ *awscdk.BundlingOptions) *bool {
	if err := l.bundle(*outputDir); err != nil {
		prop := "Dist"
		if l.k.source != "" {
			prop = "SourceDir"
		}
		l.k.b.faults.add("%s: %v", prop, err)
		if err := os.WriteFile(filepath.Join(*outputDir, "bootstrap"), nil, 0o755); err != nil {
			l.k.b.faults.add("%v", err)
		}
	}
	return jsii.Bool(true)
}

func (l *bundling) bundle(out string) error {
	bootstrap := filepath.Join(out, "bootstrap")
	if l.k.source != "" {
		if err := l.k.build(); err != nil {
			return err
		}
		if err := copyFile(bootstrap, filepath.Join(l.k.built, l.k.arch, string(l.f), "bootstrap"), 0o755); err != nil {
			return err
		}
	} else if err := unzip(filepath.Join(l.k.dist, string(l.f)+"_"+l.k.arch+".zip"), bootstrap); err != nil {
		return err
	}
	for name, path := range l.files {
		if err := copyFile(filepath.Join(out, name), path, 0o644); err != nil {
			return err
		}
	}
	return nil
}

// build builds all functions at the first call.
func (k *packages) build() error {
	if k.built != "" {
		return nil
	}
	dir, err := os.MkdirTemp("", "dcr-broker")
	if err != nil {
		return err
	}
	k.built = dir
	names := make([]string, len(k.functions))
	for i, f := range k.functions {
		names[i] = string(f)
	}
	cmd := exec.Command(filepath.Join(k.source, "scripts", "build.sh"), dir)
	cmd.Env = append(os.Environ(), "ARCHS="+k.arch, "FUNCTIONS="+strings.Join(names, " "))
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("%s: %w: %s", cmd.Path, err, bytes.TrimSpace(out))
	}
	return nil
}

// clean removes the built functions, after the CDK has copied them.
func (k *packages) clean() {
	if k.built != "" {
		_ = os.RemoveAll(k.built)
	}
}

func copyFile(to, from string, mode os.FileMode) error {
	in, err := os.Open(from)
	if err != nil {
		return err
	}
	defer in.Close()
	return write(to, in, mode)
}

func write(to string, in io.Reader, mode os.FileMode) error {
	out, err := os.OpenFile(to, os.O_WRONLY|os.O_CREATE|os.O_TRUNC, mode)
	if err != nil {
		return err
	}
	if _, err := io.Copy(out, in); err != nil {
		out.Close()
		return err
	}
	return out.Close()
}

// unzip extracts the file bootstrap from the archive.
func unzip(archive, to string) error {
	r, err := zip.OpenReader(archive)
	if err != nil {
		return fmt.Errorf("%s: %w", archive, err)
	}
	defer r.Close()
	in, err := r.Open("bootstrap")
	if err != nil {
		return fmt.Errorf("%s: %w", archive, err)
	}
	defer in.Close()
	return write(to, in, 0o755)
}
