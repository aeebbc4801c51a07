package sam

import (
	"maps"
	"regexp"
	"strings"
	"testing"

	"github.com/dcr-broker/dcr-broker/test/must"
)

// section returns a part of the template's text.
func section(t *testing.T, name string) string {
	t.Helper()
	b := must.ReadFile(t, "../../template.yaml")
	_, rest, ok := strings.Cut(string(b), "\n"+name+":\n")
	if !ok {
		t.Fatalf("the template has no %s", name)
	}
	if end := regexp.MustCompile(`(?m)^[A-Z]`).FindStringIndex(rest); end != nil {
		rest = rest[:end[0]]
	}
	return rest
}

var parameter = regexp.MustCompile(`(?m)^  ([A-Z]\w*):\n((?:    .*\n)+)`)

// Every parameter has a default, so that one command deploys, and a
// description, and is used.
func TestParameters(t *testing.T) {
	used := section(t, "Conditions") + section(t, "Globals") + section(t, "Resources")
	found := parameter.FindAllStringSubmatch(section(t, "Parameters"), -1)
	if len(found) < 30 {
		t.Errorf("%d parameters found", len(found))
	}
	for _, m := range found {
		name, settings := m[1], m[2]
		for _, wanted := range []string{"    Type: ", "    Default: ", "    Description: "} {
			if !strings.Contains(settings, wanted) {
				t.Errorf("%s has no %s", name, strings.Trim(wanted, " :"))
			}
		}
		if !regexp.MustCompile(`(!Ref ` + name + `\b|\$\{` + name + `\})`).MatchString(used) {
			t.Errorf("%s is not used", name)
		}
	}
	// CloudFormation's limit.
	if len(found) > 200 {
		t.Errorf("%d parameters", len(found))
	}
}

// The template refuses parameters that are invalid or incomplete together.
func TestRefusedParameters(t *testing.T) {
	domain := map[string]string{"DomainName": "auth.example.com", "CertificateArn": certificate}
	edge := map[string]string{"DomainName": "auth.example.com", "CertificateArn": certificate, "EdgeProtection": "true", "EdgeCertificateArn": certificate}
	for _, tt := range []struct {
		base, more map[string]string
		want       string
	}{
		{nil, map[string]string{"UserPoolId": givenPool}, "requires CognitoDomain"},
		{existing(nil), map[string]string{"UserPoolDomainPrefix": "mine"}, "for a new pool"},
		{nil, map[string]string{"CognitoDomain": "https://example.com"}, "for an existing pool"},
		{nil, map[string]string{"CognitoIssuer": "https://example.com"}, "for an existing pool"},
		{nil, map[string]string{"DomainName": "auth.example.com"}, "requires CertificateArn"},
		{nil, map[string]string{"CertificateArn": certificate}, "require DomainName"},
		{nil, map[string]string{"HostedZoneId": "Z123"}, "require DomainName"},
		{nil, map[string]string{"EdgeProtection": "true", "EdgeCertificateArn": certificate}, "requires DomainName"},
		{domain, map[string]string{"EdgeProtection": "true"}, "requires EdgeCertificateArn"},
		{domain, map[string]string{"EdgeCertificateArn": certificate}, "require EdgeProtection"},
		{domain, map[string]string{"WebAclArn": webACL}, "require EdgeProtection"},
		{nil, map[string]string{"OwnEdge": "secret"}, "OwnEdge requires DomainName"},
		{nil, map[string]string{"OwnEdge": "hidden"}, "OwnEdge requires DomainName"},
		{edge, map[string]string{"OwnEdge": "secret"}, "cannot be combined with EdgeProtection"},
		{edge, map[string]string{"AWS::Region": "eu-central-1"}, "requires WebAclArn"},

		{nil, map[string]string{"Authorization": "both"}, "not allowed"},
		{nil, map[string]string{"DomainName": "Auth.example.com"}, "does not match"}, // the issuer is in lower case
		{nil, map[string]string{"DomainName": "https://auth.example.com"}, "does not match"},
		{nil, map[string]string{"CognitoDomain": "https://example.com/"}, "does not match"},
		{nil, map[string]string{"DeploymentId": "Prod"}, "does not match"},
		{domain, map[string]string{"EdgeProtection": "true", "EdgeCertificateArn": strings.Replace(certificate, "us-east-1", "eu-central-1", 1)}, "does not match"},
		{nil, map[string]string{"Scope1": ""}, "does not match"},
		{nil, map[string]string{"ThrottleRate": "0"}, "out of range"},
		{nil, map[string]string{"Configuration": "/var/task/config/broker.json"}, "unknown parameter"}, // only the table has the configuration
	} {
		parameters := maps.Clone(tt.base)
		if parameters == nil {
			parameters = make(map[string]string)
		}
		maps.Copy(parameters, tt.more)
		if _, err := transform(t, parameters); err == nil || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%v: %v, want an error that has %q", parameters, err, tt.want)
		}
	}
}
