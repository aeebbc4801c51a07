package dcrbroker

import (
	"bytes"
	"fmt"
	"log/slog"
	"reflect"
	"strings"
	"testing"

	"github.com/dcr-broker/dcr-broker/internal/httpapi"
	"github.com/dcr-broker/dcr-broker/internal/pages"
	"github.com/dcr-broker/dcr-broker/pkg/broker"
	"github.com/dcr-broker/dcr-broker/pkg/broker/authorization"
	"github.com/dcr-broker/dcr-broker/pkg/broker/clients"
	"github.com/dcr-broker/dcr-broker/pkg/broker/credential"
	"github.com/dcr-broker/dcr-broker/pkg/broker/grants"
	"github.com/dcr-broker/dcr-broker/pkg/broker/token"
	"github.com/dcr-broker/dcr-broker/pkg/dcr"
)

// planted is also a text that authorization.ParseSecret accepts for this ID.
const (
	planted   = "c3VwZXItc2VjcmV0LXN1cGVyLXNlY3JldC1zdXBlci1zZWNyZXQ"
	plantedID = "Syin0bz0aa6qffjm"
)

// withSecrets are the types that hold secrets, each with one in every string.
func withSecrets() []any {
	return []any{
		credential.Presented(planted),
		authorization.ParseSecret(plantedID, planted),
		httpapi.Form{"code": {planted}},
		filled[authorization.Callback](),
		filled[authorization.Request](),
		filled[authorization.Started](),
		filled[authorization.Question](),
		filled[authorization.Outcome](),
		filled[broker.AppCredentials](),
		filled[broker.Issued](),
		filled[broker.NewAppClient](),
		filled[broker.TokenReply](),
		filled[broker.Tokens](),
		filled[clients.Credentials](),
		filled[dcr.ClientInformation](),
		filled[dcr.Request](),
		filled[grants.App](),
		filled[pages.ConsentView](),
		filled[pages.ContinueView](),
		filled[pages.LinkBackView](),
		filled[pages.ProblemView](),
		filled[token.IntrospectionRequest](),
		filled[token.Request](),
		filled[token.Response](),
		filled[token.Revocation](),
	}
}

func filled[T any]() T {
	var v T
	fill(reflect.ValueOf(&v).Elem())
	return v
}

// fill sets the strings, tokens and secrets in v.
func fill(v reflect.Value) {
	switch v.Interface().(type) {
	case credential.Token:
		v.Set(reflect.ValueOf(credential.Presented(planted)))
		return
	case authorization.Secret:
		v.Set(reflect.ValueOf(authorization.ParseSecret(plantedID, planted)))
		return
	}
	switch v.Kind() {
	case reflect.String:
		v.SetString(planted)
	case reflect.Slice:
		v.Set(reflect.MakeSlice(v.Type(), 1, 1))
		fill(v.Index(0))
	case reflect.Struct:
		for i := range v.NumField() {
			if v.Type().Field(i).IsExported() {
				fill(v.Field(i))
			}
		}
	}
}

func TestWhatHoldsSecretsPrintsRedacted(t *testing.T) {
	for _, value := range withSecrets() {
		pointer := reflect.New(reflect.TypeOf(value))
		pointer.Elem().Set(reflect.ValueOf(value))
		for _, v := range []any{value, pointer.Interface()} {
			var logged bytes.Buffer
			slog.New(slog.NewJSONHandler(&logged, nil)).Info("m", "v", v)
			slog.New(slog.NewTextHandler(&logged, nil)).Info("m", "v", v)
			printed := fmt.Sprintf("%v %+v %#v %s %v %#v", v, v, v, v, []any{v}, []any{v}) + logged.String()
			if strings.Contains(printed, planted) || strings.Count(printed, "[redacted]") != 8 {
				t.Errorf("%T: got %s, want [redacted] each time", v, printed)
			}
		}
	}
}

// A Problem is an error, so its text is printed, without its CSRF token.
func TestProblemsPrintWithoutTheirCSRFToken(t *testing.T) {
	p := &authorization.Problem{Detail: "no access", CSRF: credential.Presented(planted)}
	var logged bytes.Buffer
	slog.New(slog.NewJSONHandler(&logged, nil)).Info("m", "v", p)
	if printed := fmt.Sprintf("%v %+v %#v %#v", p, p, p, *p) + logged.String(); strings.Contains(printed, planted) {
		t.Errorf("got %s, want it without the token", printed)
	}
}
