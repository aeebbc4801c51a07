package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"reflect"
	"slices"
	"strings"
)

// settings are the context keys of the app: the parameters of template.yaml
// with a lower-case first letter, and some of its own.
type settings struct {
	Stack   string `json:"stack"` // default: dcr-broker
	Account string `json:"account"`
	Region  string `json:"region"` // required by edgeProtection

	Dist         string `json:"dist"`      // default: ../../dist
	SourceDir    string `json:"sourceDir"` // instead of dist
	Architecture string `json:"architecture"`

	Authorization        string `json:"authorization"`
	DeploymentID         string `json:"deploymentId"`
	LogLevel             string `json:"logLevel"`
	UserPoolID           string `json:"userPoolId"`
	CognitoDomain        string `json:"cognitoDomain"`
	CognitoIssuer        string `json:"cognitoIssuer"`
	LoginVersion         int    `json:"loginVersion"`
	UserPoolDomainPrefix string `json:"userPoolDomainPrefix"`
	// Scopes are the scopes of a new user pool, in place of the parameters
	// ResourceServer and Scope1 to Scope4.
	Scopes words `json:"scopes"`

	DomainName             string `json:"domainName"`
	CertificateARN         string `json:"certificateArn"`
	HostedZoneID           string `json:"hostedZoneId"`
	EdgeProtection         bool   `json:"edgeProtection"`
	EdgeCertificateARN     string `json:"edgeCertificateArn"`
	WebACLARN              string `json:"webAclArn"`
	EdgePerAddress         int    `json:"edgePerAddress"`
	EdgeRegisterPerAddress int    `json:"edgeRegisterPerAddress"`
	EdgeSecretVersion      int    `json:"edgeSecretVersion"`
	OwnEdge                string `json:"ownEdge"`

	ThrottleRate        int    `json:"throttleRate"`
	ThrottleBurst       int    `json:"throttleBurst"`
	RegisterRate        int    `json:"registerRate"`
	RegisterBurst       int    `json:"registerBurst"`
	AuthorizeRate       int    `json:"authorizeRate"`
	AuthorizeBurst      int    `json:"authorizeBurst"`
	TokenRate           int    `json:"tokenRate"`
	TokenBurst          int    `json:"tokenBurst"`
	ReservedConcurrency int    `json:"reservedConcurrency"`
	JanitorSchedule     string `json:"janitorSchedule"`
	Tracing             string `json:"tracing"` // off or xray

	LogRetention  int    `json:"logRetention"` // days
	RemovalPolicy string `json:"removalPolicy"`
	AlarmTopicARN string `json:"alarmTopicArn"`
}

// words is a list of strings without spaces and commas.
type words []string

// UnmarshalJSON reads a string with spaces or commas between the members, or an
// array of strings.
func (w *words) UnmarshalJSON(b []byte) error {
	var s string
	if json.Unmarshal(b, &s) == nil {
		*w = strings.FieldsFunc(s, func(r rune) bool { return r == ' ' || r == ',' })
		return nil
	}
	return json.Unmarshal(b, (*[]string)(w))
}

// readSettings reads the app's keys from the context. An unknown key is an
// error: with a misspelt userPoolId the app would create a user pool.
func readSettings(context map[string]any) (*settings, error) {
	s := &settings{Stack: "dcr-broker", Dist: "../../dist"}
	var faults []error
	fields := reflect.ValueOf(s).Elem()
	known := make(map[string]bool)
	for i := range fields.NumField() {
		key := fields.Type().Field(i).Tag.Get("json")
		known[key] = true
		v, given := context[key]
		if !given {
			continue
		}
		if err := read(v, fields.Field(i).Addr().Interface()); err != nil {
			faults = append(faults, fmt.Errorf("context %s: %q is not valid: %w", key, fmt.Sprint(v), err))
		}
	}
	for _, key := range slices.Sorted(maps.Keys(context)) {
		// Keys of the CDK begin with @, cdk- or aws-cdk, or have a colon.
		if !known[key] && !strings.HasPrefix(key, "@") && !strings.HasPrefix(key, "cdk-") && !strings.HasPrefix(key, "aws-cdk") && !strings.Contains(key, ":") {
			faults = append(faults, fmt.Errorf("context %s: unknown key; the keys are %s", key, strings.Join(slices.Sorted(maps.Keys(known)), ", ")))
		}
	}
	return s, errors.Join(faults...)
}

// read stores v in field. On the command line every value is a string; the
// string is JSON unless the field is a string or a list of words.
func read(v, field any) error {
	b, err := json.Marshal(v)
	if err != nil {
		return err
	}
	text, ok := v.(string)
	if !ok {
		return json.Unmarshal(b, field)
	}
	switch field.(type) {
	case *string, *words:
		return json.Unmarshal(b, field)
	}
	if text == "" {
		return nil
	}
	return json.Unmarshal([]byte(text), field)
}
