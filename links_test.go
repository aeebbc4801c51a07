package dcrbroker

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/dcr-broker/dcr-broker/test/must"
)

var (
	link    = regexp.MustCompile(`\]\(([^)\s]+)\)`)
	heading = regexp.MustCompile(`(?m)^#+ (.+)$`)
	// capital matches a name of a parameter, an output or a prop.
	capital = regexp.MustCompile("`([A-Z][a-z]+(?:[A-Z][a-z0-9]*)*[0-9]?)`")
)

// In the documents for deployment, all links work and all parameters and props
// exist.
func TestDeploymentDocumentsAreConsistent(t *testing.T) {
	var names strings.Builder
	for _, path := range []string{"template.yaml", "infra/cdk/props.go", "examples/mcpserver/template.yaml"} {
		b := must.ReadFile(t, path)
		names.Write(b)
	}
	for _, doc := range []string{"docs/deploy.md", "docs/costs.md"} {
		b := must.ReadFile(t, doc)
		text := string(b)
		for _, m := range link.FindAllStringSubmatch(text, -1) {
			if !strings.Contains(m[1], "://") {
				checkLink(t, doc, m[1])
			}
		}
		for _, m := range capital.FindAllStringSubmatch(text, -1) {
			if !regexp.MustCompile(`\b` + m[1] + `\b`).MatchString(names.String()) {
				t.Errorf("%s: %s does not exist", doc, m[1])
			}
		}
	}
}

func checkLink(t *testing.T, doc, to string) {
	t.Helper()
	path, anchor, _ := strings.Cut(to, "#")
	target := doc
	if path != "" {
		target = filepath.Join(filepath.Dir(doc), path)
	}
	b, err := os.ReadFile(target)
	if info, statErr := os.Stat(target); statErr == nil && info.IsDir() {
		err = nil
	}
	if err != nil {
		t.Errorf("%s: link to %s: %v", doc, to, err)
		return
	}
	if anchor == "" {
		return
	}
	for _, m := range heading.FindAllStringSubmatch(string(b), -1) {
		if slug(m[1]) == anchor {
			return
		}
	}
	t.Errorf("%s: link to %s: no such heading", doc, to)
}

// slug returns the anchor of a heading on GitHub.
func slug(heading string) string {
	var b strings.Builder
	for _, r := range strings.ToLower(heading) {
		switch {
		case r == ' ':
			b.WriteByte('-')
		case r == '-' || r == '_' || r >= '0' && r <= '9' || r >= 'a' && r <= 'z':
			b.WriteRune(r)
		}
	}
	return b.String()
}
