package sam

import (
	"maps"
	"slices"
	"strings"
	"testing"
)

// environmentLimit is the limit for the environment of each function: the sum
// of the names and values in UTF-8, as Lambda counts it. Lambda's own limit is 4
// KB.
const environmentLimit = 1536

// longest has the longest values of the parameters that reach an environment.
var longest = map[string]string{
	"DomainName":    strings.Repeat(strings.Repeat("a", 62)+".", 4)[:251] + ".b",
	"DeploymentId":  strings.Repeat("a", 32),
	"UserPoolId":    "ap-southeast-2_" + strings.Repeat("A", 40),
	"CognitoDomain": "https://" + strings.Repeat("a", 253),
	"CognitoIssuer": "https://" + strings.Repeat("a", 192),
	"LogLevel":      "debug",
}

// longestInTheCloud replaces what only the cloud knows by values of the greatest
// length.
func longestInTheCloud() *strings.Replacer {
	return strings.NewReplacer(
		"${Table}", strings.Repeat("t", 255),
		"${Keys}", "arn:aws-us-gov:secretsmanager:ap-southeast-2:123456789012:secret:Keys-abcdefghijkl-abcdef",
		"${ProvisionFunction}", strings.Repeat("p", 64),
		"${UserPool}", longest["UserPoolId"],
		"${UserPoolDomain}", strings.Repeat("d", 63),
		"${AWS::Region}", "ap-southeast-2",
	)
}

func TestEnvironmentsAreSmall(t *testing.T) {
	both := map[string]string{"CertificateArn": certificate}
	for _, name := range []string{"DomainName", "DeploymentId", "LogLevel"} {
		both[name] = longest[name]
	}
	withPool := maps.Clone(longest)
	withPool["CertificateArn"] = certificate
	for _, s := range []set{
		{name: "longest, brokered, existing pool", pool: givenPool, parameters: withPool},
		{name: "longest, direct, existing pool", pool: givenPool, direct: true, parameters: withPool},
		{name: "longest, brokered, new pool", pool: madePool, parameters: both},
		{name: "longest, direct, new pool", pool: madePool, direct: true, parameters: both},
	} {
		s.parameters = maps.Clone(s.parameters)
		s.parameters["Authorization"] = string(s.mode())
		t.Run(s.name, func(t *testing.T) {
			template := s.template(t)
			for name, id := range s.functions() {
				declared, _ := template.Resources[id].Get("Environment", "Variables").(map[string]any)
				size := 0
				for variable := range declared {
					value := longestInTheCloud().Replace(template.Environment(id)[variable])
					if strings.Contains(value, "${") {
						t.Errorf("the length of %s=%s of %s is not known", variable, value, name)
					}
					size += len(variable) + len(value)
				}
				if size > environmentLimit {
					t.Errorf("%s has an environment of %d bytes in %v, want at most %d", name, size, slices.Sorted(maps.Keys(declared)), environmentLimit)
				}
				if size < 500 {
					t.Errorf("%s has an environment of only %d bytes, so the values are not the longest", name, size)
				}
			}
		})
	}
}

// The template refuses a parameter that is one character longer, so that no
// deployment has a larger environment.
func TestLongerParametersAreRefused(t *testing.T) {
	for name, value := range longest {
		if name == "LogLevel" {
			continue // it is one of four values
		}
		parameters := existing(map[string]string{name: value + "a"})
		if name == "DomainName" {
			parameters["CertificateArn"] = certificate
		}
		if _, err := transform(t, parameters); err == nil || !strings.Contains(err.Error(), name+": ") {
			t.Errorf("%s of %d characters: %v, want it refused", name, len(value)+1, err)
		}
		parameters[name] = value
		if _, err := transform(t, parameters); err != nil {
			t.Errorf("%s of %d characters: %v, want it allowed", name, len(value), err)
		}
	}
}
