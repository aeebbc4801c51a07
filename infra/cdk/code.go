package dcrbroker

import (
	"bytes"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
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

// code returns the package of f.
func (k *packages) code(f function) awslambda.Code {
	if k.source == "" {
		archive := filepath.Join(k.dist, string(f)+"_"+k.arch+".zip")
		if _, err := os.Stat(archive); err != nil {
			if k.missing == nil { // reported once for all functions
				k.b.faults.add("Dist: %v; run make dist in a checkout of the broker, or set SourceDir to a checkout", err)
			}
			return k.none()
		}
		return awslambda.Code_FromAsset(&archive, nil)
	}
	if _, err := os.Stat(filepath.Join(k.source, "scripts", "build.sh")); err != nil {
		k.b.faults.add("SourceDir: %s is not a checkout of the broker: %v", k.source, err)
		return k.none()
	}
	source := filepath.Join(k.source, "functions", string(f))
	return awslambda.Code_FromAsset(&source, &awss3assets.AssetOptions{
		// The hash of the output, so that a changed comment does not lead to a
		// deployment.
		AssetHashType: awscdk.AssetHashType_OUTPUT,
		Bundling: &awscdk.BundlingOptions{
			Image: awscdk.DockerImage_FromRegistry(jsii.String("scratch")), // never run
			// The CDK treats two packages as the same if their options are
			// equal, so the command has everything in which packages differ.
			Command: jsii.Strings(string(f), k.arch, k.source),
			Local:   &bundling{k, f},
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

// bundling builds one package on this machine.
type bundling struct {
	k *packages
	f function
}

// TryBundle implements awscdk.ILocalBundling. It reports an error as a fault of
// the synthesis and always returns true: after false the CDK would use Docker.
func (l *bundling) TryBundle(outputDir *string, _ *awscdk.BundlingOptions) *bool {
	if err := l.bundle(*outputDir); err != nil {
		l.k.b.faults.add("SourceDir: %v", err)
		if err := os.WriteFile(filepath.Join(*outputDir, "bootstrap"), nil, 0o755); err != nil {
			l.k.b.faults.add("%v", err)
		}
	}
	return jsii.Bool(true)
}

func (l *bundling) bundle(out string) error {
	if err := l.k.build(); err != nil {
		return err
	}
	return copyFile(filepath.Join(out, "bootstrap"), filepath.Join(l.k.built, l.k.arch, string(l.f), "bootstrap"))
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

func copyFile(to, from string) error {
	in, err := os.Open(from)
	if err != nil {
		return err
	}
	defer in.Close()
	out, err := os.OpenFile(to, os.O_WRONLY|os.O_CREATE|os.O_TRUNC, 0o755)
	if err != nil {
		return err
	}
	if _, err := io.Copy(out, in); err != nil {
		out.Close()
		return err
	}
	return out.Close()
}
