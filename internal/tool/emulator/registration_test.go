package emulator

import (
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"testing"

	"github.com/dcr-broker/dcr-broker/test/fake"
)

func TestDiscoveryNamesTheRegistrationEndpointWhileItIsOn(t *testing.T) {
	for _, tt := range []struct {
		name string
		cfg  Config
		want string
	}{
		{"never configured", Config{}, ""},
		{"off", Config{Registration: &DCRConfiguration{EnableStatus: "Disabled"}}, ""},
		{"on", Config{Registration: &DCRConfiguration{EnableStatus: "Enabled"}}, "http://localhost:9229/oauth2/register"},
		{"on, without a domain", Config{Registration: &DCRConfiguration{EnableStatus: "Enabled"}, NoDomain: true}, ""},
	} {
		tt.cfg.BaseURL, tt.cfg.Key = "http://localhost:9229", fake.SigningKey()
		c, err := New(tt.cfg)
		if err != nil {
			t.Fatal(err)
		}
		w := httptest.NewRecorder()
		c.ServeHTTP(w, httptest.NewRequest(http.MethodGet, "/us-east-1_local00001/.well-known/openid-configuration", nil))
		var got map[string]any
		if err := json.Unmarshal(w.Body.Bytes(), &got); err != nil {
			t.Fatal(err)
		}
		endpoint, _ := got["registration_endpoint"].(string)
		if endpoint != tt.want {
			t.Errorf("%s: registration_endpoint %q, want %q", tt.name, endpoint, tt.want)
		}
	}
}

func TestAPlanWithoutTheFeaturesRefusesThem(t *testing.T) {
	for _, cfg := range []Config{
		{Plan: Lite, Registration: &DCRConfiguration{EnableStatus: "Enabled"}},
		{Plan: Lite, CIMDPolicies: []CIMDPolicy{{CIMDPolicyId: "p", PolicyName: "p"}}},
		{Registration: &DCRConfiguration{EnableStatus: "on"}},
	} {
		cfg.BaseURL, cfg.Key = "http://localhost:9229", fake.SigningKey()
		if _, err := New(cfg); err == nil {
			t.Errorf("%+v: no error", cfg)
		}
	}
}
