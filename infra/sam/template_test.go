package sam

import (
	"bytes"
	"fmt"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/dcr-broker/dcr-broker/pkg/broker"
	"github.com/dcr-broker/dcr-broker/test/cfn"
	"github.com/dcr-broker/dcr-broker/test/permissions"
)

// set is a set of parameters with the values that follow from them.
type set struct {
	name       string
	parameters map[string]string
	direct     bool
	// pool is the id of the user pool.
	pool string
	// issuer is the broker's issuer, or "" for the origin of the template's API.
	issuer string
}

const (
	givenPool   = "us-east-1_AbCdEfGhI"
	madePool    = "${UserPool}"
	certificate = "arn:aws:acm:us-east-1:123456789012:certificate/00000000-0000-4000-8000-000000000000"
	topic       = "arn:aws:sns:us-east-1:123456789012:alarms"
	webACL      = "arn:aws:wafv2:us-east-1:123456789012:global/webacl/mine/00000000-0000-4000-8000-000000000000"
)

// existing returns parameters for an existing user pool, and more.
func existing(more map[string]string) map[string]string {
	p := map[string]string{
		"UserPoolId": givenPool, "CognitoDomain": "https://example.auth.us-east-1.amazoncognito.com",
	}
	maps.Copy(p, more)
	return p
}

var sets = []set{
	{name: "brokered with a new pool", pool: madePool},
	{name: "direct with a new pool", pool: madePool, direct: true, parameters: map[string]string{"Authorization": "direct"}},
	{name: "brokered with everything set", pool: givenPool, issuer: "https://auth.example.com", parameters: existing(map[string]string{
		"LoginVersion": "2", "CognitoIssuer": "https://issuer.example.com/pool", "DeploymentId": "prod",
		"Architecture": "x86_64", "LogLevel": "debug", "LogRetention": "7", "ReservedConcurrency": "10", "JanitorSchedule": "rate(1 minute)", "Tracing": "xray",
		"DomainName": "auth.example.com", "CertificateArn": certificate, "HostedZoneId": "Z123", "AlarmTopicArn": topic,
		"EdgeProtection": "true", "EdgeCertificateArn": certificate, "RemovalPolicy": "Delete",
	})},
	{name: "brokered with a domain", pool: madePool, issuer: "https://auth.example.com", parameters: map[string]string{
		"DomainName": "auth.example.com", "CertificateArn": certificate, "HostedZoneId": "Z123", "Scope1": "all", "Scope2": "", "OwnEdge": "secret",
	}},
	{name: "brokered with an edge in another region", pool: madePool, issuer: "https://auth.example.com", parameters: map[string]string{
		"DomainName": "auth.example.com", "CertificateArn": certificate, "EdgeProtection": "true", "EdgeCertificateArn": certificate,
		"WebAclArn": webACL, "AWS::Region": "eu-central-1",
	}},
	{name: "direct with an existing pool", pool: givenPool, direct: true, issuer: "https://auth.example.com", parameters: existing(map[string]string{
		"Authorization": "direct", "ReservedConcurrency": "5", "AlarmTopicArn": topic, "OwnEdge": "hidden", "DomainName": "auth.example.com", "CertificateArn": certificate,
	})},
}

func (s set) mode() broker.Mode {
	if s.direct {
		return broker.ModeDirect
	}
	return broker.ModeBrokered
}

// functions returns the logical ids of the mode's functions by name.
func (s set) functions() map[string]string {
	ids := make(map[string]string)
	for _, name := range permissions.Functions(s.mode()) {
		ids[name] = title(name) + "Function"
	}
	return ids
}

func (s set) traced() bool { return s.parameters["Tracing"] == "xray" }

// host returns the host of the issuer, a dimension of the broker's metrics.
func (s set) host() string {
	if host, ok := strings.CutPrefix(s.issuer, "https://"); ok {
		return host
	}
	return "${Api}.execute-api.${AWS::Region}.${AWS::URLSuffix}"
}

func title(s string) string { return strings.ToUpper(s[:1]) + s[1:] }

// installed installs the tools and returns their directory.
var installed = sync.OnceValues(func() (string, error) {
	out, err := exec.Command("../../scripts/sam-tools.sh", "install").Output()
	return strings.TrimSpace(string(out)), err
})

// transform runs the SAM transform. If it fails, the error has its messages.
func transform(t *testing.T, parameters map[string]string) ([]byte, error) {
	t.Helper()
	if os.Getenv("TEST_TEMPLATE") == "" {
		t.Skip("the template was not transformed: set TEST_TEMPLATE, as make test-template does, which also installs AWS's SAM translator")
	}
	venv, err := installed()
	if err != nil {
		t.Fatal(err)
	}
	args := []string{"transform.py", "../../template.yaml"}
	for _, name := range slices.Sorted(maps.Keys(parameters)) {
		args = append(args, name+"="+parameters[name])
	}
	var out, faults bytes.Buffer
	cmd := exec.CommandContext(t.Context(), filepath.Join(venv, "bin", "python"), args...)
	cmd.Stdout, cmd.Stderr = &out, &faults
	if err := cmd.Run(); err != nil {
		return nil, fmt.Errorf("%w: %s", err, faults.String())
	}
	return out.Bytes(), nil
}

var transformed struct {
	sync.Mutex
	by map[string][]byte
}

// template returns the template of the set. It is transformed once for all tests.
func (s set) template(t *testing.T) *cfn.Template {
	t.Helper()
	transformed.Lock()
	defer transformed.Unlock()
	b := transformed.by[s.name]
	if b == nil {
		var err error
		if b, err = transform(t, s.parameters); err != nil {
			t.Fatal(err)
		}
		if transformed.by == nil {
			transformed.by = make(map[string][]byte)
		}
		transformed.by[s.name] = b
	}
	template, err := cfn.Read(bytes.NewReader(b))
	if err != nil {
		t.Fatal(err)
	}
	return template
}

// each runs f for every set.
func each(t *testing.T, f func(t *testing.T, s set, template *cfn.Template)) {
	t.Helper()
	for _, s := range sets {
		t.Run(s.name, func(t *testing.T) { f(t, s, s.template(t)) })
	}
}

// one returns the only resource of a type.
func one(t *testing.T, template *cfn.Template, kind string) *cfn.Resource {
	t.Helper()
	of := template.Of(kind)
	if len(of) != 1 {
		t.Fatalf("%d of %s, want 1", len(of), kind)
	}
	return of[0]
}

var reference = regexp.MustCompile(`\$\{([A-Za-z0-9]+)(\.[A-Za-z0-9.]+)?\}`)

// Nothing refers to a resource that a condition leaves out.
func TestReferencesHaveTargets(t *testing.T) {
	each(t, func(t *testing.T, _ set, template *cfn.Template) {
		texts := make(map[string]string)
		for id, r := range template.Resources {
			texts[id] = fmt.Sprint(r.Properties)
			for _, d := range r.DependsOn {
				if template.Resources[d] == nil {
					t.Errorf("%s depends on %s, which does not exist", id, d)
				}
			}
		}
		for name, v := range template.Outputs {
			texts["output "+name] = v
		}
		for where, text := range texts {
			for _, m := range reference.FindAllStringSubmatch(text, -1) {
				if template.Resources[m[1]] == nil {
					t.Errorf("%s refers to %s, which does not exist", where, m[0])
				}
			}
		}
	})
}
