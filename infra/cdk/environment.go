package dcrbroker

import (
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/dcr-broker/dcr-broker/internal/environment"
	"github.com/dcr-broker/dcr-broker/internal/pages"
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
var reads = map[function]func(func(string) string) (*environment.Config, error){
	register:  environment.Registration,
	metadata:  environment.Metadata,
	token:     environment.Token,
	authorize: environment.Authorize,
	provision: environment.AppClients,
	janitor:   environment.AppClients,
}

// variables has the variables of all functions.
type variables struct {
	// values are the variables that have a value. Lambda itself sets AWS_REGION.
	values map[string]string
	// local has the paths on this machine of packed files, by their paths in the
	// functions.
	local map[string]string
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
		if path, packed := e.local[v]; packed {
			return path
		}
		return withoutTokens(name, v)
	})
	return vars, unjoin(err)
}

// files returns the files in the package of a function with these variables:
// the path on this machine by the name in the package.
func (e *variables) files(vars map[string]*string) map[string]string {
	files := make(map[string]string)
	for _, name := range []string{"POLICY", "BRAND_LOGO"} {
		if v := vars[name]; v != nil && e.local[*v] != "" {
			files[strings.TrimPrefix(*v, task)] = e.local[*v]
		}
	}
	return files
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
func environmentOf(p *Props, resources map[string]string) (*variables, error) {
	e := &variables{values: maps.Clone(resources), local: make(map[string]string)}
	set := func(name, value string) {
		if value != "" {
			e.values[name] = value
		}
	}
	var names []string
	descriptions := make(map[string]string)
	for _, s := range p.Scopes {
		names = append(names, s.Name)
		if s.Description != "" {
			descriptions[s.Name] = s.Description
		}
	}
	set("AUTHORIZATION", string(p.Mode))
	set("LOG_LEVEL", p.LogLevel)
	set("APP_CLIENT_QUOTA", strconv.Itoa(p.AppClientQuota))
	set("COGNITO_ISSUER", p.CognitoIssuer)
	set("IDENTITY_PROVIDERS", strings.Join(p.IdentityProviders, ","))
	set("SCOPES", strings.Join(names, " "))
	set("SCOPES_SUPPORTED", strings.Join(p.ScopesSupported, " "))
	set("GRANT_TYPES_SUPPORTED", strings.Join(p.GrantTypesSupported, " "))
	set("BRAND_NAME", p.Brand.Name)
	set("BRAND_ACCENT", p.Brand.Accent)
	set("ACCESS_TOKEN_LIFETIME", duration(p.AccessTokenLifetime))
	set("ID_TOKEN_LIFETIME", duration(p.IDTokenLifetime))
	set("REFRESH_TOKEN_LIFETIME", duration(p.RefreshTokenLifetime))
	set("FORWARD_RESOURCE", strconv.FormatBool(p.ForwardResource))
	set("REFRESH_TOKEN_ROTATION", strconv.FormatBool(!p.NoRefreshTokenRotation))
	set("RESOURCE_BINDING", strconv.FormatBool(p.ResourceBinding))
	set("LOGIN_VERSION", strconv.Itoa(p.LoginVersion))
	set("POLICY", p.Policy.reference)
	if p.Policy.file != "" {
		e.local[p.Policy.reference] = p.Policy.file
	}
	var faults []error
	for _, v := range []struct {
		name  string
		value any
	}{
		{"SCOPE_DESCRIPTIONS", descriptions}, {"PROTECTED_RESOURCES", p.ProtectedResources}, {"INTROSPECTION_CLIENTS", p.IntrospectionClients},
	} {
		b, err := json.Marshal(v.value)
		if err != nil {
			faults = append(faults, fmt.Errorf("%s: %w", v.name, err))
			continue
		}
		if s := string(b); s != "{}" && s != "null" && s != "[]" {
			set(v.name, s)
		}
	}
	if p.Brand.Logo != "" {
		name := task + packedLogo + filepath.Ext(p.Brand.Logo)
		set("BRAND_LOGO", name)
		e.local[name] = p.Brand.Logo
	}
	faults = append(faults, checkBrand(p))
	return e, errors.Join(faults...)
}

// checkBrand checks the brand with the code of the pages. The check of the
// configuration only tests whether the logo exists.
func checkBrand(p *Props) error {
	b := pages.Brand{Name: "unresolved"}
	if p.Brand.Name != "" {
		b.Name = p.Brand.Name
	}
	if p.Brand.Logo != "" {
		var err error
		if b.Logo, err = os.ReadFile(p.Brand.Logo); err != nil {
			return nil // the check of the configuration reports it
		}
	}
	if _, err := pages.New(b); err != nil {
		return fmt.Errorf("BRAND_LOGO: %w", err)
	}
	return nil
}

func duration(d time.Duration) string {
	if d == 0 {
		return ""
	}
	return d.String()
}

// propOf maps variables to the props that set them, for messages.
var propOf = map[string]string{
	"ISSUER": "Domain.Name", "AUTHORIZATION": "Mode", "LOG_LEVEL": "LogLevel", "USER_POOL_ID": "UserPool", "COGNITO_DOMAIN": "CognitoDomain",
	"COGNITO_ISSUER": "CognitoIssuer", "SCOPES": "Scopes", "SCOPES_SUPPORTED": "ScopesSupported", "GRANT_TYPES_SUPPORTED": "GrantTypesSupported",
	"PROTECTED_RESOURCES": "ProtectedResources", "FORWARD_RESOURCE": "ForwardResource", "RESOURCE_BINDING": "ResourceBinding",
	"LOGIN_VERSION": "LoginVersion", "SCOPE_DESCRIPTIONS": "Scopes[].Description", "BRAND_NAME": "Brand.Name", "BRAND_LOGO": "Brand.Logo",
	"BRAND_ACCENT": "Brand.Accent", "INTROSPECTION_CLIENTS": "IntrospectionClients", "DEPLOYMENT_ID": "DeploymentID", "POLICY": "Policy",
	"IDENTITY_PROVIDERS": "IdentityProviders", "ACCESS_TOKEN_LIFETIME": "AccessTokenLifetime", "ID_TOKEN_LIFETIME": "IDTokenLifetime",
	"REFRESH_TOKEN_LIFETIME": "RefreshTokenLifetime", "REFRESH_TOKEN_ROTATION": "NoRefreshTokenRotation",
	"APP_CLIENT_QUOTA": "AppClientQuota",
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
