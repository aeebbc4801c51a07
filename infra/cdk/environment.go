package dcrbroker

import (
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/dcr-broker/dcr-broker/internal/environment"
)

// function is the name of a Lambda function.
type function string

const (
	register  function = "register"
	metadata  function = "metadata"
	token     function = "token"
	authorize function = "authorize"
	provision function = "provision"
	janitor   function = "janitor"
)

// reads has the functions that read a function's part of the configuration.
var reads = map[function]func(func(string) string) (*environment.Environment, error){
	register:  environment.Registration,
	metadata:  environment.Metadata,
	token:     environment.Token,
	authorize: environment.Authorize,
	provision: environment.Provision,
	janitor:   environment.AppClients,
}

// variables has the variables of all functions.
type variables struct {
	// values are the variables that have a value. Lambda itself sets AWS_REGION.
	values map[string]string
}

// of returns only the variables that f reads, and the faults of their values. It
// finds both with the code that reads the configuration in the function.
func (e *variables) of(f function) (map[string]*string, []error) {
	vars := make(map[string]*string)
	_, err := reads[f](func(name string) string {
		v := e.values[name]
		if v == "" {
			return ""
		}
		if name != "AWS_REGION" {
			vars[name] = &v
		}
		return withoutTokens(name, v)
	})
	return vars, unjoin(err)
}

// unjoin returns the errors that err joins.
func unjoin(err error) []error {
	if err == nil {
		return nil
	}
	if joined, ok := err.(interface{ Unwrap() []error }); ok {
		return joined.Unwrap()
	}
	return []error{err}
}

var unresolved = regexp.MustCompile(`\$\{Token\[([^\]]*)\]\}`)

// withoutTokens returns v with a valid value in place of each token, whose
// value is known only at deployment, so that the variable can be checked.
// Different tokens get different values.
func withoutTokens(name, v string) string {
	whole := unresolved.FindString(v) == v
	switch {
	case whole && name == "USER_POOL_ID":
		return "us-east-1_unresolved"
	case unresolved.MatchString(v) && name == "DEPLOYMENT_ID":
		return "unresolved" // groups of a GUID
	case whole && (name == "COGNITO_DOMAIN" || name == "COGNITO_ISSUER" || name == "ISSUER"):
		return "https://unresolved.invalid"
	}
	return unresolved.ReplaceAllStringFunc(v, func(t string) string {
		id := strings.Map(func(r rune) rune {
			if r >= 'a' && r <= 'z' || r >= '0' && r <= '9' {
				return r
			}
			return '-'
		}, strings.ToLower(unresolved.FindStringSubmatch(t)[1]))
		at := strings.Index(v, t)
		if at == 0 || v[at-1] == '"' { // the token stands for scheme and host of a URL
			return "https://" + strings.Trim(id, "-") + ".invalid"
		}
		return strings.Trim(id, "-")
	})
}

// environmentOf returns the environment for props. resources has the variables
// that come from resources.
func environmentOf(p *Props, resources map[string]string) *variables {
	e := &variables{values: maps.Clone(resources)}
	for name, value := range map[string]string{
		"AUTHORIZATION":  string(p.Mode),
		"LOG_LEVEL":      p.LogLevel,
		"COGNITO_ISSUER": p.CognitoIssuer,
		"LOGIN_VERSION":  strconv.Itoa(p.LoginVersion),
	} {
		if value != "" {
			e.values[name] = value
		}
	}
	return e
}

// propOf maps variables to the props that set them, for messages.
var propOf = map[string]string{
	"ISSUER": "Domain.Name", "AUTHORIZATION": "Mode", "LOG_LEVEL": "LogLevel", "USER_POOL_ID": "UserPool", "COGNITO_DOMAIN": "CognitoDomain",
	"COGNITO_ISSUER": "CognitoIssuer", "LOGIN_VERSION": "LoginVersion", "DEPLOYMENT_ID": "DeploymentID",
}

// inProps replaces the variable in a fault by the prop that sets it.
func inProps(fault string) string {
	name, rest, ok := strings.Cut(fault, ": ")
	if prop := propOf[name]; ok && prop != "" {
		return prop + ": " + rest
	}
	return fault
}

// faults is a list of faults without duplicates, in the order in which they were
// found.
type faults []string

func (f *faults) add(format string, args ...any) {
	if s := fmt.Sprintf(format, args...); !slices.Contains(*f, s) {
		*f = append(*f, s)
	}
}
